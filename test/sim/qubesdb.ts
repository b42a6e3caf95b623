// Owns the QubesDB simulator: sockets, requests, watches and faults of the real daemon (core-qubesdb 4.3.3), for
// one qube. The methods of QubesDb act as dom0 does; local processes speak to the sockets.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { MessageType } from '@qubes-qos/host/qubesdb/codec';
import { SimulatedClient, type Request } from './qubesdb-client.js';
import { isValidPath, isValidValue, QubesDbStore } from './qubesdb-store.js';

/** The real daemon aborts at the next connection. */
const MAX_CLIENTS = 256;

interface QubesDbOptions {
  /** Keys that exist from the start, as those that dom0 writes before the qube's first process. */
  readonly entries?: Readonly<Record<string, Uint8Array | string>>;
}

/** A running QubesDB of one qube: `<dir>/qubesdb.sock` and, read-only, `<dir>/qubesdb.ro.sock`. */
export class QubesDb {
  readonly #store = new QubesDbStore();
  readonly #clients = new Set<SimulatedClient>();
  readonly #servers: Server[] = [];
  readonly #delayed: (() => void)[] = [];
  #isHanging = false;

  /** Starts the daemon; the directory is made when it is missing, sockets of a dead daemon are replaced. */
  static async listen(dir: string, options: QubesDbOptions = {}): Promise<QubesDb> {
    const daemon = new QubesDb();
    for (const [path, value] of Object.entries(options.entries ?? {})) daemon.write(path, value);
    mkdirSync(dir, { recursive: true });
    await daemon.#listen(join(dir, 'qubesdb.sock'), false);
    await daemon.#listen(join(dir, 'qubesdb.ro.sock'), true);
    return daemon;
  }

  /** Writes a key as dom0 does: every watch that hears of it fires, also when the value is the same. */
  write(path: string, value: Uint8Array | string): void {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    if (!isValidPath(path) || !path.startsWith('/') || path.endsWith('/') || !isValidValue(bytes)) {
      throw new Error(`qubesdb.Error: the daemon refuses ${path} with ${bytes.length} bytes`);
    }
    this.#whenFree(() => {
      this.#store.write(path, bytes);
      this.#announce(path);
    });
  }

  /** Removes a key, or with a trailing slash a subtree, which is one event for the whole of it. */
  remove(path: string): void {
    this.#whenFree(() => {
      if (this.#store.remove(path)) this.#announce(path);
    });
  }

  read(path: string): Uint8Array | undefined {
    return this.#store.read(path);
  }

  /** All keys with their values, sorted by path. */
  entries(): Record<string, Uint8Array> {
    return Object.fromEntries(this.#store.select(''));
  }

  /** Connections that are open now. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /** True while one client keeps the single-threaded daemon waiting, and with it all others. */
  get isFrozen(): boolean {
    return [...this.#clients].some((client) => client.freezesDaemon);
  }

  /** From now on nothing is answered and nothing fires, as in a VM whose dom0 daemon is gone: no EOF, no error. */
  hang(): void {
    this.#isHanging = true;
  }

  /** Ends `hang`: everything that was asked meanwhile is answered now. */
  resume(): void {
    this.#isHanging = false;
    this.#pump();
  }

  /** Closes every connection; the sockets still listen. */
  disconnectClients(): void {
    for (const { socket } of this.#clients) socket.destroy();
    this.#clients.clear();
  }

  /** Stops the daemon: EOF for every client, and the sockets are gone. */
  async close(): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.disconnectClients();
    await Promise.all(closed);
  }

  async #listen(path: string, readOnly: boolean): Promise<void> {
    rmSync(path, { force: true });
    const server = createServer((socket) => this.#accept(socket, readOnly));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o666);
  }

  #accept(socket: Socket, readOnly: boolean): void {
    if (this.#clients.size >= MAX_CLIENTS) {
      socket.destroy();
      void this.close();
      return;
    }
    const client = new SimulatedClient(socket, readOnly);
    this.#clients.add(client);
    socket.on('data', (chunk) => {
      client.receive(Buffer.from(chunk));
      this.#pump();
    });
    socket.on('drain', () => this.#pump());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#clients.delete(client);
      this.#pump();
    });
  }

  #whenFree(action: () => void): void {
    this.#delayed.push(action);
    this.#pump();
  }

  /** Serves until nothing is left, or until one client makes the single-threaded daemon wait for it. */
  #pump(): void {
    while (!this.#isHanging) {
      const blocker = [...this.#clients].find((client) => client.freezesDaemon);
      if (blocker) {
        const request = blocker.nextRequest();
        if (!request) return;
        this.#serve(blocker, request);
      } else {
        const action = this.#delayed.shift();
        if (!action) return;
        action();
      }
    }
  }

  #serve(client: SimulatedClient, request: Request): void {
    if (request.kind === 'refused') client.reply('error', request.path);
    else if (request.kind === 'data-on-read') this.#drop(client);
    else this.#answer(client, request.type, request.path, request.value);
  }

  #answer(client: SimulatedClient, type: MessageType, path: string, value: Uint8Array): void {
    const found = this.#store.read(path);
    if (type === 'read') {
      if (found) client.reply('resp-read', path, found);
      else client.reply('error-noent', path);
    } else if (type === 'write') {
      const isWritten = this.#store.write(path, value);
      client.reply(isWritten ? 'ok' : 'error', path);
      if (isWritten) this.#announce(path);
      else this.#drop(client);
    } else if (type === 'rm') {
      const isRemoved = this.#store.remove(path);
      client.reply(isRemoved ? 'ok' : 'error-noent', path);
      if (isRemoved) this.#announce(path);
    } else if (type === 'watch') {
      client.watch(path);
      client.reply('ok', path);
    } else if (type === 'unwatch') client.reply(client.unwatch(path) ? 'ok' : 'error-noent', path);
    else this.#answerMany(client, type, path);
  }

  #answerMany(client: SimulatedClient, type: MessageType, prefix: string): void {
    const isList = type === 'list';
    const entries = this.#store.select(prefix);
    if (!isList && prefix === '') entries.reverse();
    for (const [path, value] of entries) {
      if (isList) client.reply('resp-list', path);
      else client.reply('resp-multiread', path, value);
    }
    client.reply(isList ? 'resp-list' : 'resp-multiread', '');
  }

  #announce(path: string): void {
    for (const client of this.#clients) client.announce(path);
  }

  #drop(client: SimulatedClient): void {
    this.#clients.delete(client);
    client.socket.end();
  }
}
