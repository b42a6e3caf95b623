// Owns how the chunks of one reply become its bytes, with a bound.
import { QosError } from '@qubes-qos/core/errors';
import { MAX_REPLY_BYTES, type AdminRequest } from './codec.js';

/** @throws QosError('protocol') for a reply that is too long, and what the chunks throw. */
export async function collectReply(
  chunks: AsyncIterable<Uint8Array>,
  { method }: AdminRequest,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) throw new QosError('protocol', `${method}: reply over 16 MiB.`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
