// Owns access to the recorded QubesDB conversations (test/fixtures/wire/qubesdb.md).
import { readFileSync } from 'node:fs';
import { MessageDecoder, type Message } from '@qubes-qos/host/qubesdb/codec';

interface Exchange {
  readonly dir: 'c2s' | 's2c';
  readonly hex: string;
  readonly eof?: boolean;
}

export interface Recording {
  readonly name: string;
  readonly exchanges: readonly Exchange[];
}

const file = new URL('../../fixtures/wire/qubesdb.json', import.meta.url);

/** Every recorded conversation. */
export const RECORDINGS = JSON.parse(readFileSync(file, 'utf8')) as readonly Recording[];

/** All bytes that one side sent. */
export function bytesOf(recording: Recording, dir: Exchange['dir']): Uint8Array {
  return Buffer.from(
    recording.exchanges
      .filter((exchange) => exchange.dir === dir)
      .map(({ hex }) => hex)
      .join(''),
    'hex',
  );
}

/** Decodes a stream that must end at the end of a message. */
export function decodeAll(bytes: Uint8Array): Message[] {
  const decoder = new MessageDecoder();
  const messages = [...decoder.push(bytes)];
  if (decoder.pendingBytes > 0) throw new Error(`${decoder.pendingBytes} bytes are left over`);
  return messages;
}
