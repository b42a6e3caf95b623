// Owns one connection to QubesDB: requests, their replies, and the events that may come between them.
import { connect, type Socket } from 'node:net';
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { encodeMessage, MessageDecoder, type Message, type MessageType } from './codec.js';

/** Where the daemon of this qube listens, in the order in which libqubesdb tries them: rw, then read-only. */
export const SOCKET_PATHS: readonly string[] = [
  '/var/run/qubes/qubesdb.sock',
  '/var/run/qubes/qubesdb.ro.sock',
];

export interface ConnectionOptions {
  /** Sockets to try, in order; SOCKET_PATHS by default. */
  readonly socketPaths?: readonly string[];
  /** Milliseconds until a request without an answer fails; 5000 by default. */
  readonly timeoutMs?: number;
}

interface PendingRequest {
  /** Takes one reply message; true when the reply is complete. */
  readonly take: (message: Message) => boolean;
  readonly reject: (error: Error) => void;
}

const TIMEOUT_MS = 5000;
const READ_BUFFER_BYTES = 65_536;

/**
 * An open connection. Any fault (EOF, a protocol error, a request that times out) ends it for good: every request
 * that waits and every later one fails with the same QosError, and the caller opens a new one.
 */
export class QubesDbConnection {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #decoder = new MessageDecoder();
  readonly #pending: PendingRequest[] = [];
  #events: string[] = [];
  #wakeWaiter: (() => void) | undefined;
  #fault: Error | undefined;

  /** Connects to the first socket that accepts. @throws QosError('connection') that names what each one said. */
  static async open(options: ConnectionOptions = {}): Promise<QubesDbConnection> {
    const refusals: string[] = [];
    for (const path of options.socketPaths ?? SOCKET_PATHS) {
      const connection = new QubesDbConnection(path, options.timeoutMs ?? TIMEOUT_MS);
      try {
        await connection.#connected();
        return connection;
      } catch (error) {
        connection.close();
        refusals.push(messageOf(error));
      }
    }
    throw new QosError(
      'connection',
      `cannot reach QubesDB: ${refusals.join('; ')}. See systemctl status qubes-db.`,
    );
  }

  private constructor(path: string, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    // With a buffer of its own a socket stops reading at pause(); an ordinary stream goes on filling its queue,
    // and what it reads there would be lost to the process that the socket is handed to.
    this.#socket = connect({
      path,
      onread: {
        buffer: Buffer.alloc(READ_BUFFER_BYTES),
        callback: (count, buffer) => this.#receive(buffer.subarray(0, count)),
      },
    });
    this.#socket.on('error', (error) => this.#fail(new QosError('connection', `QubesDB: ${error.message}`)));
    this.#socket.on('close', () =>
      this.#fail(new QosError('connection', 'QubesDB closed the connection; its daemon has stopped.')),
    );
  }

  /** The value of a key, undefined when it is absent; an empty value is an empty array. */
  async read(path: string): Promise<Uint8Array | undefined> {
    let value: Uint8Array | undefined;
    await this.#request('read', path, (reply) => {
      if (reply.type === 'error-noent') return true;
      value = expectReply(reply, 'resp-read', path).value;
      return true;
    });
    return value;
  }

  /** The keys whose path begins with the text, with their values, in the daemon's order. */
  async multiread(prefix: string): Promise<Map<string, Uint8Array>> {
    const values = new Map<string, Uint8Array>();
    await this.#request('multiread', prefix, (reply) => {
      const { path, value } = expectReply(reply, 'resp-multiread');
      if (path !== '') values.set(path, value);
      return path === '';
    });
    return values;
  }

  /** The paths that begin with the text, in the daemon's order. */
  async list(prefix: string): Promise<string[]> {
    const paths: string[] = [];
    await this.#request('list', prefix, (reply) => {
      const { path } = expectReply(reply, 'resp-list');
      if (path !== '') paths.push(path);
      return path === '';
    });
    return paths;
  }

  /**
   * Watches a key, or with a trailing slash everything below it. There is no event for the present value, so read
   * after this, never before. An event path that ends in a slash means that the whole subtree was removed.
   */
  async watch(path: string): Promise<void> {
    await this.#request('watch', path, (reply) => {
      expectReply(reply, 'ok', path);
      return true;
    });
  }

  /** Takes the events that have arrived, oldest first, without waiting. */
  takeEvents(): string[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Waits until there are events, then takes them all. @throws what ended the connection. */
  async waitForEvents(): Promise<string[]> {
    while (this.#events.length === 0) {
      if (this.#fault) throw this.#fault;
      await new Promise<void>((resolve) => (this.#wakeWaiter = resolve));
    }
    return this.takeEvents();
  }

  /** The paths of changed keys, one at a time, until the connection ends, which throws. */
  async *events(): AsyncGenerator<string, never, undefined> {
    for (;;) yield* await this.waitForEvents();
  }

  /**
   * Stops reading and gives the socket away, for a process that waits for the next event in our place. What has
   * not been read is still in it. Undefined, and nothing is stopped, while an event is here or half here.
   */
  release(): Socket | undefined {
    if (this.#fault) return undefined;
    this.#socket.pause();
    const isQuiet = this.#events.length === 0 && this.#pending.length === 0;
    if (isQuiet && this.#decoder.pendingBytes === 0) return this.#socket;
    this.#socket.resume();
    return undefined;
  }

  /** Ends the connection; a request that waits fails. */
  close(): void {
    this.#fail(new QosError('connection', 'the connection to QubesDB was closed here.'));
  }

  #connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no answer within ${this.#timeoutMs / 1000} s`));
      }, this.#timeoutMs);
      this.#socket.once('error', reject).once('connect', resolve);
      this.#socket.once('error', () => clearTimeout(timer)).once('connect', () => clearTimeout(timer));
    });
  }

  async #request(type: MessageType, path: string, take: (reply: Message) => boolean): Promise<void> {
    const bytes = encodeMessage(type, path);
    if (this.#fault) throw this.#fault;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({
        take: (reply) => {
          const isComplete = take(reply);
          if (isComplete) resolve();
          return isComplete;
        },
        reject,
      });
      timer = setTimeout(() => this.#fail(timeoutError(type, path, this.#timeoutMs)), this.#timeoutMs);
      this.#socket.write(bytes);
    }).finally(() => clearTimeout(timer));
  }

  #receive(chunk: Uint8Array): boolean {
    try {
      for (const message of this.#decoder.push(chunk)) this.#dispatch(message);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  }

  #dispatch(message: Message): void {
    if (message.type === 'resp-watch') {
      this.#events.push(message.path);
      this.#wakeWaiter?.();
      return;
    }
    const request = this.#pending[0];
    if (!request) throw new QosError('protocol', `QubesDB sent ${message.type}, which nothing asked for.`);
    if (request.take(message)) this.#pending.shift();
  }

  #fail(fault: Error): void {
    if (this.#fault) return;
    this.#fault = fault;
    for (const { reject } of this.#pending.splice(0)) reject(fault);
    this.#wakeWaiter?.();
    this.#socket.destroy();
  }
}

function expectReply(reply: Message, type: MessageType, path?: string): Message {
  if (reply.type === 'error') {
    throw new QosError('protocol', `QubesDB refused a request for ${quote(reply.path)}.`);
  }
  if (reply.type !== type || (path !== undefined && reply.path !== path)) {
    throw new QosError(
      'protocol',
      `QubesDB answered ${reply.type} ${quote(reply.path)}: expected ${type}${path === undefined ? '' : ` ${quote(path)}`}.`,
    );
  }
  return reply;
}

function timeoutError(type: MessageType, path: string, timeoutMs: number): QosError {
  return new QosError(
    'timeout',
    `QubesDB: no answer to ${type} ${quote(path)} within ${timeoutMs / 1000} s; the daemon in dom0 may have stopped.`,
  );
}
