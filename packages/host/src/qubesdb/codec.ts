// Owns the QubesDB wire format: messages <-> bytes, both directions. Knows no socket, and never buffers more than
// one longest message, however long a peer says its next one is.
import { MAX_VALUE_BYTES } from '@qubes-qos/core/vm-config';
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';

/** Bytes of a header: type @0, path @1, 3 bytes of padding @65, u32 little-endian value length @68. */
export const HEADER_BYTES = 72;

/** Longest path, bytes: the field has 64 and must hold a NUL. */
export const MAX_PATH_BYTES = 63;

/** Every message type; its index is its number on the wire (core-qubesdb include/qubesdb.h). */
export const MESSAGE_TYPES = [
  'read',
  'write',
  'multiread',
  'list',
  'rm',
  'watch',
  'unwatch',
  'ok',
  'error-noent',
  'error',
  'resp-read',
  'resp-multiread',
  'resp-list',
  'resp-watch',
] as const;

/** The name of a message type; the first seven are requests. */
export type MessageType = (typeof MESSAGE_TYPES)[number];

/** One message. The path has one character a byte; only WRITE, RESP_READ and RESP_MULTIREAD carry a value. */
export interface Message {
  readonly type: MessageType;
  readonly path: string;
  readonly value: Uint8Array;
}

/** A header as it was received: `type` is undefined when its number has no meaning. */
export interface Header {
  readonly code: number;
  readonly type: MessageType | undefined;
  readonly path: string;
  readonly valueBytes: number;
}

const PATH_OFFSET = 1;
const PATH_FIELD_BYTES = 64;
const LENGTH_OFFSET = 68;

/**
 * One message as bytes, header and value together: the daemon blocks every client while it waits for a value.
 * @throws QosError('policy') when the path or the value is longer than the protocol allows.
 */
export function encodeMessage(
  type: MessageType,
  path: string,
  value: Uint8Array = new Uint8Array(),
): Uint8Array {
  if (value.length > MAX_VALUE_BYTES) {
    throw new QosError(
      'policy',
      `value of ${quote(path)} has ${value.length} bytes: QubesDB takes at most ${MAX_VALUE_BYTES}; it was not sent.`,
    );
  }
  const bytes = new Uint8Array(HEADER_BYTES + value.length);
  bytes.set(encodeHeader(type, path, value.length));
  bytes.set(value, HEADER_BYTES);
  return bytes;
}

/** The header alone, as the daemon sends it. @throws QosError('policy') when the path does not fit. */
export function encodeHeader(type: MessageType, path: string, valueBytes: number): Uint8Array {
  if (path.length > MAX_PATH_BYTES || !/^[\x01-\xff]*$/.test(path)) {
    throw new QosError(
      'policy',
      `QubesDB path ${quote(path)}: expected at most ${MAX_PATH_BYTES} bytes and no NUL; it was not sent.`,
    );
  }
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes[0] = MESSAGE_TYPES.indexOf(type);
  for (let index = 0; index < path.length; index++) bytes[PATH_OFFSET + index] = path.charCodeAt(index);
  new DataView(bytes.buffer).setUint32(LENGTH_OFFSET, valueBytes, true);
  return bytes;
}

/**
 * Reads the header at the start of `bytes`, which must hold at least HEADER_BYTES. Nothing is refused here:
 * what follows the NUL of the path and the padding are uninitialised memory of the sender, and are ignored.
 */
export function decodeHeader(bytes: Uint8Array): Header {
  const code = bytes[0] ?? 0;
  const field = bytes.subarray(PATH_OFFSET, PATH_OFFSET + PATH_FIELD_BYTES);
  const end = field.indexOf(0);
  const path = String.fromCharCode(...field.subarray(0, end === -1 ? PATH_FIELD_BYTES : end));
  const valueBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(LENGTH_OFFSET, true);
  return { code, type: MESSAGE_TYPES[code], path, valueBytes };
}

/** Cuts a byte stream into messages, wherever the stream was cut on its way. */
export class MessageDecoder {
  #buffered = new Uint8Array();

  /** Bytes of a message that has begun and not ended. */
  get pendingBytes(): number {
    return this.#buffered.length;
  }

  /**
   * Adds a chunk and yields the messages that it completes. Consume it to the end before the next call.
   * @throws QosError('protocol') at a header that no QubesDB sends; the stream is lost then, so close it.
   */
  *push(chunk: Uint8Array): Generator<Message, void, undefined> {
    let bytes = concat(this.#buffered, chunk);
    this.#buffered = bytes;
    while (bytes.length >= HEADER_BYTES) {
      const { type, path, valueBytes } = checkedHeader(decodeHeader(bytes));
      const end = HEADER_BYTES + valueBytes;
      if (bytes.length < end) return;
      const value = bytes.slice(HEADER_BYTES, end);
      bytes = bytes.subarray(end);
      this.#buffered = bytes;
      yield { type, path, value };
    }
  }
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function checkedHeader(header: Header): Header & { type: MessageType } {
  const { code, type, path, valueBytes } = header;
  if (type === undefined) {
    throw new QosError(
      'protocol',
      `QubesDB sent message type ${code}: expected at most ${MESSAGE_TYPES.length - 1}.`,
    );
  }
  if (path.length > MAX_PATH_BYTES) {
    throw new QosError('protocol', `QubesDB sent the path ${quote(path)} without its NUL.`);
  }
  if (valueBytes > MAX_VALUE_BYTES) {
    throw new QosError(
      'protocol',
      `QubesDB announced a value of ${valueBytes} bytes for ${quote(path)}: expected at most ${MAX_VALUE_BYTES}.`,
    );
  }
  return { ...header, type };
}
