import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  decodeHeader,
  encodeMessage,
  HEADER_BYTES,
  MessageDecoder,
  type Message,
} from '@qubes-qos/host/qubesdb/codec';
import { bytesOf, decodeAll, RECORDINGS, type Recording } from '../host/qubesdb/recording.js';
import { QubesDb } from './qubesdb.js';

let dir: string;
let daemon: QubesDb | undefined;
const sockets: Socket[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qubesdb-'));
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await daemon?.close();
  daemon = undefined;
  await rm(dir, { recursive: true });
});

describe('every recorded conversation', () => {
  test.each(RECORDINGS.map((recording) => [recording.name, recording] as const))(
    '%s',
    async (_, recording) => {
      daemon = await QubesDb.listen(dir, { entries: entriesBefore(recording) });
      const client = await open(recording.name.startsWith('raw-ro') ? 'qubesdb.ro.sock' : 'qubesdb.sock');
      for (const { dir: from, hex, eof } of recording.exchanges) {
        if (from === 'c2s') {
          if (hex) client.socket.write(Buffer.from(hex, 'hex'));
          if (eof) client.socket.end();
        } else {
          const expected = decodeAll(Buffer.from(hex, 'hex'));
          const replies = expected.filter(({ type }) => type !== 'resp-watch').length;
          expect(await client.take(replies)).toEqual(expected.slice(0, replies));
          for (const path of writesOfDom0(recording, expected)) daemon.write(path, 'from dom0');
          expect(await client.take(expected.length - replies)).toEqual(expected.slice(replies));
          if (eof) await client.ended;
        }
      }
    },
  );
});

describe('what the recordings do not show', () => {
  test('both sockets have mode 0666', async () => {
    daemon = await QubesDb.listen(dir);
    for (const name of ['qubesdb.sock', 'qubesdb.ro.sock']) {
      expect((await stat(join(dir, name))).mode & 0o777).toBe(0o666);
    }
  });

  test('removing a subtree fires one event with its own path, and none on an exact watch', async () => {
    daemon = await QubesDb.listen(dir, { entries: { '/vm-config/dscp': 'ef', '/vm-config/a': '1' } });
    const subtree = await watching('/vm-config/');
    const exact = await watching('/vm-config/dscp');
    daemon.remove('/vm-config/');
    daemon.write('/vm-config/dscp', 'ef');
    expect(await subtree.takePaths(2)).toEqual(['/vm-config/', '/vm-config/dscp']);
    expect(await exact.takePaths(1)).toEqual(['/vm-config/dscp']);
  });

  test('removing a missing key fires nothing', async () => {
    daemon = await QubesDb.listen(dir);
    const client = await watching('/');
    daemon.remove('/nothing');
    daemon.write('/something', '');
    expect(await client.takePaths(1)).toEqual(['/something']);
  });

  test('half a request freezes the daemon for everyone until its sender is gone', async () => {
    daemon = await QubesDb.listen(dir, { entries: { '/a': '1' } });
    const stuck = await open('qubesdb.sock');
    stuck.socket.write(encodeMessage('read', '/a').subarray(0, 40));
    while (!daemon.isFrozen) await turn();
    const other = await open('qubesdb.sock');
    other.socket.write(encodeMessage('read', '/a'));
    daemon.write('/a', '2');
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(daemon.read('/a')).toEqual(Buffer.from('1'));
    expect(other.received).toBe(0);
    stuck.socket.destroy();
    expect(await other.take(1)).toMatchObject([{ type: 'resp-read', path: '/a' }]);
  });

  test('a failed write is answered and then disconnected', async () => {
    daemon = await QubesDb.listen(dir);
    const client = await open('qubesdb.sock');
    client.socket.write(encodeMessage('write', '/vm-config/', Buffer.from('1')));
    expect(await client.take(1)).toMatchObject([{ type: 'error' }]);
    await client.ended;
  });

  test('the 257th connection ends the daemon', async () => {
    daemon = await QubesDb.listen(dir);
    for (let count = 0; count < 256; count++) await open('qubesdb.sock');
    const last = await open('qubesdb.sock');
    await last.ended;
    await expect(open('qubesdb.sock')).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  });

  test.each([
    ['/a b', 'x'],
    ['a', 'x'],
    ['/a/', 'x'],
    ['/a', 'n\0l'],
    ['/a', 'x'.repeat(3072)],
    ['/'.padEnd(64, 'a'), 'x'],
  ])('dom0 cannot write %j', async (path, value) => {
    daemon = await QubesDb.listen(dir);
    const running = daemon;
    expect(() => running.write(path, value)).toThrow('refuses');
  });
});

class Client {
  readonly socket: Socket;
  readonly ended: Promise<unknown>;
  readonly #messages: Message[] = [];
  received = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    this.ended = new Promise((resolve) => socket.once('end', resolve).once('error', resolve));
    const decoder = new MessageDecoder();
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      this.received += chunk.length;
      this.#messages.push(...decoder.push(Buffer.from(chunk)));
      socket.emit('decoded');
    });
  }

  async take(count: number): Promise<Message[]> {
    while (this.#messages.length < count) await once(this.socket, 'decoded');
    return this.#messages.splice(0, count);
  }

  async takePaths(count: number): Promise<string[]> {
    return (await this.take(count)).map(({ path }) => path);
  }
}

async function open(name: string): Promise<Client> {
  const socket = connect({ path: join(dir, name), allowHalfOpen: true });
  sockets.push(socket);
  const client = new Client(socket);
  await once(socket, 'connect');
  return client;
}

async function watching(path: string): Promise<Client> {
  const client = await open('qubesdb.sock');
  client.socket.write(encodeMessage('watch', path));
  expect(await client.take(1)).toMatchObject([{ type: 'ok', path }]);
  return client;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The keys that must exist for the daemon to answer as it did: what it returned, and what it removed. */
function entriesBefore(recording: Recording): Record<string, Uint8Array> {
  const entries: Record<string, Uint8Array> = {};
  for (const { type, path, value } of decodeAll(bytesOf(recording, 's2c'))) {
    if (type === 'resp-read' || type === 'resp-multiread' || type === 'resp-list') entries[path] = value;
  }
  const removed = recording.exchanges.find(({ dir: from, hex }) => from === 'c2s' && hex.startsWith('04'));
  const answer = decodeAll(bytesOf(recording, 's2c')).at(-1);
  if (removed && answer?.type === 'ok') {
    const { path } = decodeHeader(Buffer.from(removed.hex, 'hex'));
    entries[path.endsWith('/') ? `${path}key` : path] ??= Buffer.from('1');
  }
  delete entries[''];
  return entries;
}

/** Two watches hear of one write; elsewhere one event is one write. */
function writesOfDom0(recording: Recording, expected: readonly Message[]): string[] {
  const paths = expected.filter(({ type }) => type === 'resp-watch').map(({ path }) => path);
  const watches = recording.exchanges.filter(
    ({ dir: from, hex }) => from === 'c2s' && hex.length === HEADER_BYTES * 2 && hex.startsWith('05'),
  );
  return paths.slice(0, Math.ceil(paths.length / Math.max(1, watches.length)));
}
