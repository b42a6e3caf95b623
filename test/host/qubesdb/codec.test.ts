import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_VALUE_BYTES } from '@qubes-qos/core/vm-config';
import {
  decodeHeader,
  encodeMessage,
  HEADER_BYTES,
  MAX_PATH_BYTES,
  MESSAGE_TYPES,
  MessageDecoder,
  type Message,
} from '@qubes-qos/host/qubesdb/codec';
import { bytesOf, decodeAll, RECORDINGS } from './recording.js';

const anyPath = fc
  .array(fc.integer({ min: 1, max: 255 }), { maxLength: MAX_PATH_BYTES })
  .map((codes) => String.fromCharCode(...codes));
const anyMessage = fc.record({
  type: fc.constantFrom(...MESSAGE_TYPES),
  path: anyPath,
  value: fc.uint8Array({ maxLength: 200 }),
});

describe('recorded streams', () => {
  test.each(RECORDINGS.map((recording) => [recording.name, recording] as const))(
    '%s: what the daemon sent decodes to whole messages',
    (_, recording) => {
      const bytes = bytesOf(recording, 's2c');
      const messages = decodeAll(bytes);
      const total = messages.reduce((sum, { value }) => sum + HEADER_BYTES + value.length, 0);
      expect(total).toBe(bytes.length);
      for (const { type } of messages) expect(type).toMatch(/^(ok|error|error-noent|resp-.*)$/);
    },
  );

  test('a read, byte for byte as the format says', () => {
    const expected = Buffer.alloc(HEADER_BYTES + 2);
    expected[0] = 10;
    expected.write('/vm-config/dscp', 1, 'latin1');
    expected.writeUInt32LE(2, 68);
    expected.write('ef', HEADER_BYTES, 'latin1');
    expect(Buffer.from(encodeMessage('resp-read', '/vm-config/dscp', Buffer.from('ef')))).toEqual(expected);
  });

  test('garbage after the NUL of the path and in the padding is ignored', () => {
    const bytes = encodeMessage('ok', '/a').fill(0xff, 4, 68);
    expect(decodeHeader(bytes)).toEqual({ code: 7, type: 'ok', path: '/a', valueBytes: 0 });
  });
});

describe('any stream', () => {
  test('cut anywhere gives the same messages', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 6 }), fc.array(fc.nat(2000)), (messages, cuts) => {
        const stream = Buffer.concat(
          messages.map(({ type, path, value }) => encodeMessage(type, path, value)),
        );
        const decoder = new MessageDecoder();
        const decoded = cut(stream, cuts).flatMap((chunk) => [...decoder.push(chunk)]);
        expect(decoded).toEqual(messages);
        expect(decoder.pendingBytes).toBe(0);
      }),
    );
  });

  test.each(RECORDINGS.map((recording) => [recording.name, recording] as const))(
    '%s: one byte at a time gives the same messages',
    (_, recording) => {
      const bytes = bytesOf(recording, 's2c');
      const decoder = new MessageDecoder();
      const decoded = Array.from(bytes, (byte) => [...decoder.push(Uint8Array.of(byte))]).flat();
      expect(decoded).toEqual(decodeAll(bytes));
    },
  );

  test('of garbage is messages or a protocol error, the same wherever it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), anyMessage.map(encode)), { maxLength: 4 }),
        fc.array(fc.nat(1500)),
        (parts, cuts) => {
          const stream = Buffer.concat(parts);
          expect(outcome(cut(stream, cuts))).toEqual(outcome([stream]));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a header that cannot be true', () => {
  test('an over-long value is refused before any of it is buffered', () => {
    const header = encodeMessage('resp-read', '/a');
    new DataView(header.buffer).setUint32(68, MAX_VALUE_BYTES + 1, true);
    const decoder = new MessageDecoder();
    expect(() => [...decoder.push(header)]).toThrow('a value of 3072 bytes for "/a": expected at most 3071');
  });

  test('an unknown type', () => {
    expect(() => [...new MessageDecoder().push(encodeMessage('ok', '/').fill(14, 0, 1))]).toThrow(
      'message type 14',
    );
  });

  test('a path without NUL', () => {
    expect(() => [...new MessageDecoder().push(encodeMessage('ok', '/').fill(0x41, 1, 65))]).toThrow(
      'without its NUL',
    );
  });

  test('what came before it is not lost', () => {
    const decoder = new MessageDecoder();
    const bytes = Buffer.concat([encodeMessage('resp-watch', '/a'), Buffer.alloc(HEADER_BYTES, 0xee)]);
    const decoded = decoder.push(bytes);
    expect(decoded.next().value).toMatchObject({ type: 'resp-watch', path: '/a' });
    expect(() => decoded.next()).toThrow('message type 238');
  });
});

describe('what we would send', () => {
  test.each([['/'.repeat(64)], ['/a\0b'], ['/\u0142']])('path %j is refused', (path) => {
    expect(() => encodeMessage('read', path)).toThrow('expected at most 63 bytes and no NUL');
  });

  test('a value of 3071 bytes fits, one of 3072 does not', () => {
    expect(encodeMessage('write', '/a', new Uint8Array(3071))).toHaveLength(HEADER_BYTES + 3071);
    expect(() => encodeMessage('write', '/a', new Uint8Array(3072))).toThrow('takes at most 3071');
  });
});

function encode({ type, path, value }: Message): Uint8Array {
  return encodeMessage(type, path, value);
}

function cut(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const points = [...new Set([0, ...cuts.map((point) => Math.min(point, stream.length)), stream.length])];
  points.sort((first, second) => first - second);
  return points.slice(1).map((end, index) => stream.subarray(points[index], end));
}

/** Every message, then the error if there was one. */
function outcome(chunks: readonly Uint8Array[]): unknown[] {
  const decoder = new MessageDecoder();
  const seen: unknown[] = [];
  try {
    for (const chunk of chunks) for (const message of decoder.push(chunk)) seen.push(message);
  } catch (error) {
    seen.push(String(error));
  }
  return seen;
}
