// Owns what can be asked of QubesDB over one connection: read, list, watch, and giving the connection away.
import type { Socket } from 'node:net';
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { QubesDbChannel } from './channel.js';
import type { Message, MessageType } from './codec.js';

/** Where the daemon of this qube listens, in the order in which libqubesdb tries them: rw, then read-only. */
const SOCKET_PATHS: readonly string[] = ['/var/run/qubes/qubesdb.sock', '/var/run/qubes/qubesdb.ro.sock'];

export interface ConnectionOptions {
  /** Sockets to try, in order; those of this qube by default. */
  readonly socketPaths?: readonly string[];
  /** Milliseconds until a request without an answer fails; 5000 by default. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;

/**
 * An open connection. Any fault (EOF, a protocol error, a request that times out or is refused) ends it for good:
 * every request that waits and every later one fails with the same QosError, and the caller opens a new one.
 */
export class QubesDbConnection {
  readonly #channel: QubesDbChannel;

  /** Connects to the first socket that accepts. @throws QosError('connection') that names what each one said. */
  static async open(options: ConnectionOptions = {}): Promise<QubesDbConnection> {
    const refusals: string[] = [];
    for (const path of options.socketPaths ?? SOCKET_PATHS) {
      const channel = new QubesDbChannel(path, options.timeoutMs ?? TIMEOUT_MS);
      try {
        await channel.connected();
        return new QubesDbConnection(channel);
      } catch (error) {
        channel.close();
        refusals.push(messageOf(error));
      }
    }
    throw new QosError(
      'connection',
      `cannot reach QubesDB: ${refusals.join('; ')}. See systemctl status qubes-db.`,
    );
  }

  private constructor(channel: QubesDbChannel) {
    this.#channel = channel;
  }

  /** The value of a key, undefined when it is absent; an empty value is an empty array. */
  async read(path: string): Promise<Uint8Array | undefined> {
    let value: Uint8Array | undefined;
    await this.#channel.request('read', path, (reply) => {
      if (reply.type === 'error-noent') return true;
      value = expectReply(reply, 'resp-read', path).value;
      return true;
    });
    return value;
  }

  /** The keys whose path begins with the text, with their values, in the daemon's order. */
  async multiread(prefix: string): Promise<Map<string, Uint8Array>> {
    const values = new Map<string, Uint8Array>();
    await this.#channel.request('multiread', prefix, (reply) => {
      const { path, value } = expectReply(reply, 'resp-multiread');
      if (path !== '') values.set(path, value);
      return path === '';
    });
    return values;
  }

  /** The paths that begin with the text, in the daemon's order. */
  async list(prefix: string): Promise<string[]> {
    const paths: string[] = [];
    await this.#channel.request('list', prefix, (reply) => {
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
    await this.#channel.request('watch', path, (reply) => {
      expectReply(reply, 'ok', path);
      return true;
    });
  }

  /** Takes the paths of the events that have arrived, oldest first, without waiting. */
  takeEvents(): string[] {
    return this.#channel.takeEvents();
  }

  /** Waits until there are events, then takes them all. @throws what ended the connection. */
  waitForEvents(): Promise<string[]> {
    return this.#channel.waitForEvents();
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
    return this.#channel.release();
  }

  /** Ends the connection; a request that waits fails. */
  close(): void {
    this.#channel.close();
  }
}

function expectReply(reply: Message, type: MessageType, path?: string): Message {
  if (reply.type === 'error') {
    throw new QosError('protocol', `QubesDB refused a request for ${quote(reply.path)}.`);
  }
  if (reply.type !== type || (path !== undefined && reply.path !== path)) {
    const expected = path === undefined ? type : `${type} ${quote(path)}`;
    throw new QosError(
      'protocol',
      `QubesDB answered ${reply.type} ${quote(reply.path)}: expected ${expected}.`,
    );
  }
  return reply;
}
