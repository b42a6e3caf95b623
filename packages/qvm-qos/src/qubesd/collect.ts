// Owns how the chunks of one reply become its bytes, with a bound.
import { QosError } from '@qubes-qos/core/errors';
import { MAX_REPLY_BYTES, type AdminRequest } from './codec.js';

/** The reply to one request, as far as it is there. */
export class ReplyBuffer {
  readonly #request: AdminRequest;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  constructor(request: AdminRequest) {
    this.#request = request;
  }

  /** @throws QosError('protocol') for a reply that is too long */
  add(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > MAX_REPLY_BYTES)
      throw new QosError('protocol', `${this.#request.method}: reply over 16 MiB.`);
    this.#parts.push(chunk);
  }

  /** All that was added. */
  bytes(): Uint8Array {
    const [first, ...rest] = this.#parts;
    return first !== undefined && rest.length === 0 ? first : Buffer.concat(this.#parts);
  }
}
