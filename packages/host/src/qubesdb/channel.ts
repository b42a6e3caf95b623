// Owns the socket of one connection to QubesDB: messages out, replies and events in, and how it ends.
import { connect, type Socket } from 'node:net';
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { encodeMessage, MessageDecoder, type Message, type MessageType } from './codec.js';

/** Takes one message of a reply; true when the reply is complete. What it throws ends the channel. */
export type TakeReply = (message: Message) => boolean;

interface PendingRequest {
  readonly take: TakeReply;
  readonly reject: (error: Error) => void;
}

const READ_BUFFER_BYTES = 65_536;

/**
 * A stream of requests, each answered in order, and of events that may come between and inside the answers. Any
 * fault (EOF, a protocol error, a request that times out) ends it for good, with the same error for all who wait.
 */
export class QubesDbChannel {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #decoder = new MessageDecoder();
  readonly #pending: PendingRequest[] = [];
  #events: string[] = [];
  #wakeWaiter: (() => void) | undefined;
  #fault: Error | undefined;

  constructor(path: string, timeoutMs: number) {
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

  /** Resolves when the daemon has accepted. @throws what the system said, or that it took too long. */
  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no answer within ${this.#timeoutMs / 1000} s`)),
        this.#timeoutMs,
      );
      const settle = (): void => clearTimeout(timer);
      this.#socket.once('error', settle).once('connect', settle);
      this.#socket.once('error', reject).once('connect', resolve);
    });
  }

  /** Sends one request and waits until `take` has its whole reply. @throws what ended the channel. */
  async request(type: MessageType, path: string, take: TakeReply): Promise<void> {
    const bytes = encodeMessage(type, path);
    if (this.#fault) throw this.#fault;
    const timer = setTimeout(() => this.#fail(timeoutError(type, path, this.#timeoutMs)), this.#timeoutMs);
    await new Promise<void>((resolve, reject) => {
      const takeAll: TakeReply = (reply) => {
        const isComplete = take(reply);
        if (isComplete) resolve();
        return isComplete;
      };
      this.#pending.push({ take: takeAll, reject });
      this.#socket.write(bytes);
    }).finally(() => clearTimeout(timer));
  }

  /** Takes the paths of the events that have arrived, oldest first, without waiting. */
  takeEvents(): string[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Waits until there are events, then takes them all. @throws what ended the channel. */
  async waitForEvents(): Promise<string[]> {
    while (this.#events.length === 0) {
      if (this.#fault) throw this.#fault;
      await new Promise<void>((resolve) => (this.#wakeWaiter = resolve));
    }
    return this.takeEvents();
  }

  /** See QubesDbConnection.release. */
  release(): Socket | undefined {
    if (this.#fault) return undefined;
    this.#socket.pause();
    const isQuiet = this.#events.length === 0 && this.#pending.length === 0;
    if (isQuiet && this.#decoder.pendingBytes === 0) return this.#socket;
    this.#socket.resume();
    return undefined;
  }

  close(): void {
    this.#fail(new QosError('connection', 'the connection to QubesDB was closed here.'));
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

function timeoutError(type: MessageType, path: string, timeoutMs: number): QosError {
  return new QosError(
    'timeout',
    `QubesDB: no answer to ${type} ${quote(path)} within ${timeoutMs / 1000} s; the daemon in dom0 may have stopped.`,
  );
}
