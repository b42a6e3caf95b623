// Owns the bytes of the Admin API: requests, replies and the event stream. No sockets, no meaning of methods.
import { QosError, type ErrorKind } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';

/** Longest request that qubesd reads, bytes (core-admin qubes/api/__init__.py); a longer one is dropped unanswered. */
export const MAX_REQUEST_BYTES = 65_536;

/** Longest event that is accepted, bytes. A feature event holds a value twice, and a value came in one request. */
export const MAX_EVENT_BYTES = 4 * MAX_REQUEST_BYTES;

/** Longest reply that is accepted, bytes: properties of some thousand qubes. */
export const MAX_REPLY_BYTES = 16 * 1024 * 1024;

const MAX_MESSAGE_CHARACTERS = 500;

/** One request to qubesd. */
export interface AdminRequest {
  /** `admin.vm.feature.Set` */
  readonly method: string;
  /** What stands behind the `+`; empty for none. */
  readonly argument?: string;
  /** Name of a qube; `dom0` is the machine as a whole. */
  readonly destination: string;
  readonly payload?: string;
}

/** One event; an empty subject is the machine as a whole. */
export interface AdminEvent {
  readonly subject: string;
  readonly event: string;
  readonly kwargs: ReadonlyMap<string, string>;
}

/** An exception that qubesd raised, with the name of its class. */
export class AdminException extends QosError {
  /** Such as `QubesFeatureNotFoundError`. */
  readonly type: string;

  constructor(type: string, message: string) {
    const kind: ErrorKind = type === 'QubesVMNotFoundError' ? 'no-such-domain' : 'refused';
    super(kind, `qubesd: ${printable(message)} (${printable(type)}).`);
    this.name = 'AdminException';
    this.type = type;
  }
}

/**
 * A space or NUL inside a field would shift the fields, and what begins with a dash is an option.
 * @throws QosError('policy')
 */
export function assertRequest({ method, argument = '', destination }: AdminRequest): void {
  for (const field of [method, argument, destination]) {
    if (!/^(?!-)[!-~]*$/.test(field)) {
      throw new QosError(
        'policy',
        `${quote(field)}: expected printable ASCII without spaces; it was not sent.`,
      );
    }
  }
}

/**
 * `METHOD+ARG dom0 name DEST\0PAYLOAD`. qubesd drops a request over its limit without an answer: it is refused here.
 * @throws QosError('policy')
 */
export function encodeRequest(request: AdminRequest): Uint8Array {
  assertRequest(request);
  const { method, argument = '', destination, payload = '' } = request;
  const bytes = new TextEncoder().encode(`${method}+${argument} dom0 name ${destination}\0${payload}`);
  if (bytes.length > MAX_REQUEST_BYTES) {
    throw new QosError(
      'policy',
      `${method} for ${quote(destination)} has ${bytes.length} bytes: expected at most ${MAX_REQUEST_BYTES}; it was not sent.`,
    );
  }
  return bytes;
}

/**
 * The content of a whole reply, `0\0CONTENT`.
 * @throws AdminException for `2\0TYPE\0TRACEBACK\0MESSAGE\0`; QosError('refused') when there is no byte, which is
 * how qubesd refuses what it cannot answer; QosError('protocol') for anything else
 */
export function decodeReply(reply: Uint8Array): string {
  if (reply.length === 0) {
    throw new QosError(
      'refused',
      'qubesd closed the connection without an answer: it refused the request or failed; see journalctl -u qubesd.',
    );
  }
  const text = new TextDecoder().decode(reply);
  if (text.startsWith('0\0')) return text.slice(2);
  if (text.startsWith('2\0')) throw decodeException(text);
  throw unexpected(text);
}

/**
 * Decodes an event stream, whatever way it is cut:
 * `1\0SUBJECT\0EVENT\0(KEY\0VALUE\0)*\0`. A value may be empty, so only an empty key ends an event.
 */
export class EventDecoder {
  #text = '';
  #hasEvents = false;
  readonly #decoder = new TextDecoder();

  /** The events that are complete now. @throws QosError('protocol') for garbage or an event that is too long */
  push(chunk: Uint8Array): AdminEvent[] {
    this.#text += this.#decoder.decode(chunk, { stream: true });
    const events: AdminEvent[] = [];
    while (this.#text !== '' && !this.#text.startsWith('2')) {
      if (!'1\0'.startsWith(this.#text.slice(0, 2))) throw unexpected(this.#text);
      const end = readEvent(this.#text, events);
      if (end === undefined) break;
      this.#text = this.#text.slice(end);
    }
    this.#hasEvents ||= events.length > 0;
    if (this.#text.length > MAX_EVENT_BYTES) {
      throw new QosError('protocol', `qubesd sent an event of more than ${MAX_EVENT_BYTES} bytes.`);
    }
    return events;
  }

  /** The other side closed. @throws as decodeReply, unless the stream ended behind an event */
  end(): void {
    if (this.#text === '' && this.#hasEvents) return;
    if (this.#text.startsWith('1'))
      throw new QosError('protocol', 'qubesd closed in the middle of an event.');
    decodeReply(new TextEncoder().encode(this.#text));
  }
}

/** Appends the first event of the text and returns its length; undefined while it is incomplete. */
function readEvent(text: string, events: AdminEvent[]): number | undefined {
  let position = 0;
  const next = (): string | undefined => {
    const end = text.indexOf('\0', position);
    if (end < 0) return undefined;
    const field = text.slice(position, end);
    position = end + 1;
    return field;
  };
  next();
  const subject = next();
  const event = next();
  if (subject === undefined || event === undefined) return undefined;
  const kwargs = new Map<string, string>();
  for (let key = next(); key !== ''; key = next()) {
    const value = next();
    if (key === undefined || value === undefined) return undefined;
    kwargs.set(key, value);
  }
  events.push({ subject, event, kwargs });
  return position;
}

function decodeException(text: string): QosError {
  const [, type, , message, ...rest] = text.split('\0');
  if (type === undefined || message === undefined || rest.length === 0) return unexpected(text);
  return new AdminException(type, message);
}

function unexpected(text: string): QosError {
  return new QosError('protocol', `qubesd answered ${quote(text)}: expected a reply of the Admin API.`);
}

/** Bounded and on one line: a message of qubesd may hold text that a qube chose. */
function printable(text: string): string {
  return text.slice(0, MAX_MESSAGE_CHARACTERS).replaceAll(/[^ -~]/g, '?');
}
