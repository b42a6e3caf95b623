// Owns one connection of the QubesDB simulator: its unread bytes, its watches, and how replies reach the socket.
import type { Socket } from 'node:net';
import { MAX_VALUE_BYTES } from '@qubes-qos/core/vm-config';
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  type Header,
  type MessageType,
} from '@qubes-qos/host/qubesdb/codec';
import { isValidPath, isValidValue, watchHears } from './qubesdb-store.js';

/** A request, or the header of one that the daemon refuses after it has read its value away. */
export type Request =
  | { readonly kind: 'valid'; readonly type: MessageType; readonly path: string; readonly value: Uint8Array }
  | { readonly kind: 'data-on-read' }
  | { readonly kind: 'refused'; readonly path: string };

const REQUESTS: readonly (MessageType | undefined)[] = [
  'read',
  'write',
  'multiread',
  'list',
  'rm',
  'watch',
  'unwatch',
];

/** One connection. */
export class SimulatedClient {
  readonly socket: Socket;
  readonly readOnly: boolean;
  #unread = Buffer.alloc(0);
  #watches: string[] = [];
  #replyWaits = false;

  constructor(socket: Socket, readOnly: boolean) {
    this.socket = socket;
    this.readOnly = readOnly;
    socket.on('drain', () => (this.#replyWaits = false));
  }

  /** True while the real daemon would wait for this client alone: half a request, or a reply it does not read. */
  get freezesDaemon(): boolean {
    return this.#unread.length > 0 || this.#replyWaits;
  }

  receive(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
  }

  /** Takes the next whole request, or undefined when there is none. */
  nextRequest(): Request | undefined {
    if (this.#replyWaits || this.#unread.length < HEADER_BYTES) return undefined;
    const header = decodeHeader(this.#unread);
    const end = HEADER_BYTES + header.valueBytes;
    if (header.type === 'read' && header.valueBytes > 0 && isAccepted(header))
      return { kind: 'data-on-read' };
    if (this.#unread.length < end) return undefined;
    const value = Uint8Array.from(this.#unread.subarray(HEADER_BYTES, end));
    this.#unread = this.#unread.subarray(end);
    const { type, path } = header;
    const refusesWrite = this.readOnly && (type === 'write' || type === 'rm');
    const isRefused = !isAccepted(header) || refusesWrite || (type !== 'write' && value.length > 0);
    if (type === undefined || isRefused || !isValidValue(value)) return { kind: 'refused', path };
    return { kind: 'valid', type, path, value };
  }

  /** Sends header and value in two writes, as the real daemon does. */
  reply(type: MessageType, path: string, value: Uint8Array = new Uint8Array()): void {
    let drained = this.socket.write(encodeHeader(type, path, value.length));
    if (value.length > 0) drained = this.socket.write(value);
    if (!drained) this.#replyWaits = true;
  }

  watch(path: string): void {
    this.#watches.push(path);
  }

  /** Removes one watch on the path; false when there is none. */
  unwatch(path: string): boolean {
    const index = this.#watches.indexOf(path);
    if (index === -1) return false;
    this.#watches.splice(index, 1);
    return true;
  }

  /** Sends one event for each watch that hears of the path; unlike a reply it never makes the daemon wait. */
  announce(path: string): void {
    for (const watched of this.#watches) {
      if (watchHears(watched, path)) this.socket.write(encodeHeader('resp-watch', path, 0));
    }
  }
}

function isAccepted({ type, path, valueBytes }: Header): boolean {
  return REQUESTS.includes(type) && isValidPath(path) && valueBytes <= MAX_VALUE_BYTES;
}
