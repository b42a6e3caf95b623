// Owns the connections to qubesd: one for each request, and one that stays open for events.
import { connect, type ConnectOpts, type OnReadOpts, type Socket } from 'node:net';
import { QosError } from '@qubes-qos/core/errors';
import { ReplyBuffer } from './collect.js';
import { decodeReply, encodeRequest, EventDecoder, type AdminEvent, type AdminRequest } from './codec.js';

/** Where qubesd listens in dom0: root and the group qubes may connect (core-admin qubes/api/admin.py). */
export const QUBESD_SOCKET = '/var/run/qubesd.sock';

/** A Set that had to save qubes.xml was seen to take 9.5 s on a busy disk; twice that and a bit is a fault. */
const DEFAULT_TIMEOUT_MS = 25_000;

/** Settings of a client; each has a default for dom0. */
export interface AdminClientOptions {
  readonly socketPath?: string;
  /** For a whole request, and for the first event of a stream; milliseconds. */
  readonly timeoutMs?: number;
}

/** The Admin API over the socket of qubesd. */
export class AdminClient {
  readonly #socketPath: string;
  readonly #timeoutMs: number;

  constructor({ socketPath = QUBESD_SOCKET, timeoutMs = DEFAULT_TIMEOUT_MS }: AdminClientOptions = {}) {
    this.#socketPath = socketPath;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Sends one request and returns the content of the reply.
   * @throws AdminException for what qubesd raised; QosError of kind connection, refused, timeout or protocol
   */
  async call(request: AdminRequest): Promise<string> {
    const reply = new ReplyBuffer(request);
    const socket = this.#send(request, { onread: intoReply(reply, (error) => socket.destroy(error)) });
    const timer = this.#limit(socket, request);
    try {
      await ended(socket);
      return decodeReply(reply.bytes());
    } catch (error) {
      throw this.#explain(error);
    } finally {
      clearTimeout(timer);
      socket.destroy();
    }
  }

  /**
   * The events of a qube, or for `dom0` of all qubes and the machine. The first is `connection-established`: what
   * is read after it misses no change. Ends when the signal is aborted or qubesd closes; there is no replay, so
   * whoever connects again must read everything again.
   * @throws as call
   */
  async *events(destination: string, signal?: AbortSignal): AsyncGenerator<AdminEvent, void, undefined> {
    const request = { method: 'admin.Events', destination };
    const decoder = new EventDecoder();
    const socket = this.#send(request);
    const timer = this.#limit(socket, request);
    const abort = (): void => void socket.destroy();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    try {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        const events = decoder.push(chunk);
        if (events.length > 0) clearTimeout(timer);
        yield* events;
      }
      if (!signal?.aborted) decoder.end();
    } catch (error) {
      if (!signal?.aborted) throw this.#explain(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.destroy();
    }
  }

  /** qubesd acts only at the half-close, so the request goes out with it; the reply is read afterwards. */
  #send(request: AdminRequest, reading: Pick<ConnectOpts, 'onread'> = {}): Socket {
    const bytes = encodeRequest(request);
    return connect({ path: this.#socketPath, allowHalfOpen: true, ...reading }).end(bytes);
  }

  #limit(socket: Socket, { method, destination }: AdminRequest): NodeJS.Timeout {
    return setTimeout(() => {
      const seconds = this.#timeoutMs / 1000;
      const message = `qubesd did not answer ${method} for ${destination} within ${seconds} s; whether it was done is not known.`;
      socket.destroy(new QosError('timeout', message));
    }, this.#timeoutMs);
  }

  #explain(error: unknown): unknown {
    if (error instanceof QosError || !(error instanceof Error) || !('code' in error)) return error;
    const path = this.#socketPath;
    switch (error.code) {
      case 'ENOENT':
        return new QosError(
          'connection',
          `no qubesd at ${path}: expected to run in dom0, with qubesd running.`,
          {
            cause: error,
          },
        );
      case 'ECONNREFUSED':
        return new QosError(
          'connection',
          `qubesd does not answer at ${path}: it is not running; try sudo systemctl restart qubesd.`,
          { cause: error },
        );
      case 'EACCES':
      case 'EPERM':
        return new QosError(
          'refused',
          `permission denied for ${path}: expected a user of the group qubes, or root.`,
          { cause: error },
        );
      default:
        return new QosError('connection', `the connection to qubesd at ${path} broke: ${error.message}.`, {
          cause: error,
        });
    }
  }
}

/** What is read is copied out before anything else is read, so that one buffer does for all connections. */
const READ_BUFFER = Buffer.allocUnsafe(64 * 1024);

/** Past the stream of the socket: for the one chunk that a reply mostly is, that costs more than the request. */
function intoReply(reply: ReplyBuffer, onError: (error: Error) => void): OnReadOpts {
  return {
    buffer: READ_BUFFER,
    callback: (size, buffer) => {
      try {
        reply.add(Buffer.from(buffer.subarray(0, size)));
      } catch (error) {
        onError(error as QosError);
      }
      return true;
    },
  };
}

/** Waits until the other side has sent all. @throws what broke the connection */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('end', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new QosError('connection', 'the connection to qubesd broke.')));
  });
}
