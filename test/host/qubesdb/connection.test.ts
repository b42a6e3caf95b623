import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeHeader, encodeMessage, HEADER_BYTES, MAX_PATH_BYTES } from '@qubes-qos/host/qubesdb/codec';
import { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import { QubesDb } from '../../sim/qubesdb.js';

let dir: string;
let daemon: QubesDb;
let fake: Server | undefined;
const open: QubesDbConnection[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qubesdb-'));
  daemon = await QubesDb.listen(dir, {
    entries: { '/name': 'work', '/vm-config/dscp': 'ef', '/vm-config/empty': '', '/vm-config.x': '1' },
  });
});

afterEach(async () => {
  for (const db of open.splice(0)) db.close();
  await daemon.close();
  fake?.close();
  fake = undefined;
  await rm(dir, { recursive: true });
});

describe('requests', () => {
  test('read: a value, an empty value, no value', async () => {
    const db = await connection();
    expect(await db.read('/vm-config/dscp')).toEqual(bytes('ef'));
    expect(await db.read('/vm-config/empty')).toEqual(bytes(''));
    expect(await db.read('/vm-config/missing')).toBeUndefined();
  });

  test('list and multiread are by prefix of the text, not of the path', async () => {
    const db = await connection();
    expect(await db.list('/vm-config')).toEqual(['/vm-config.x', '/vm-config/dscp', '/vm-config/empty']);
    expect(await db.list('/none/')).toEqual([]);
    expect(await db.multiread('/vm-config/')).toEqual(
      new Map([
        ['/vm-config/dscp', bytes('ef')],
        ['/vm-config/empty', bytes('')],
      ]),
    );
  });

  test('several at once are answered each with its own reply', async () => {
    const db = await connection();
    const [first, second, third] = await Promise.all([
      db.read('/name'),
      db.list('/vm-config/'),
      db.read('/vm-config/dscp'),
    ]);
    expect([first, second, third]).toEqual([
      bytes('work'),
      ['/vm-config/dscp', '/vm-config/empty'],
      bytes('ef'),
    ]);
  });

  test('a value of 3071 bytes arrives whole', async () => {
    daemon.write('/vm-config/big', 'x'.repeat(3071));
    expect(await (await connection()).read('/vm-config/big')).toHaveLength(3071);
  });

  test('a path that the daemon refuses is an error', async () => {
    await expect((await connection()).read('/vm-config/a b')).rejects.toMatchObject({ kind: 'protocol' });
  });

  test('a path that is too long is not sent', async () => {
    const db = await connection();
    await expect(db.read('/'.padEnd(MAX_PATH_BYTES + 1, 'a'))).rejects.toMatchObject({ kind: 'policy' });
    expect(await db.read('/name')).toEqual(bytes('work'));
  });
});

describe('sockets', () => {
  test('the read-only one is used when the first is missing', async () => {
    const paths = [join(dir, 'missing.sock'), join(dir, 'qubesdb.ro.sock')];
    const db = await connection({ socketPaths: paths });
    expect(await db.read('/vm-config/dscp')).toEqual(bytes('ef'));
  });

  test('none: one sentence that names both and what each said', async () => {
    await daemon.close();
    await expect(connection()).rejects.toMatchObject({
      kind: 'connection',
      message: expect.stringMatching(
        /^cannot reach QubesDB: .*qubesdb\.sock.*ENOENT|ENOENT.*qubesdb\.ro\.sock.*systemctl status/s,
      ) as string,
    });
  });
});

describe('events', () => {
  test('arrive in order, the same value again included, a removed subtree as its own path', async () => {
    const db = await connection();
    await db.watch('/vm-config/');
    daemon.write('/vm-config/dscp', 'ef');
    daemon.write('/vm-config/dscp', 'ef');
    daemon.write('/other', '');
    daemon.remove('/vm-config/');
    const seen: string[] = [];
    for await (const path of db.events()) {
      seen.push(path);
      if (path.endsWith('/')) break;
    }
    expect(seen).toEqual(['/vm-config/dscp', '/vm-config/dscp', '/vm-config/']);
  });

  test('that come between a request and its reply, or inside a long reply, are kept', async () => {
    const db = await against((socket) => {
      socket.once('data', () => {
        socket.write(encodeMessage('resp-watch', '/vm-config/a'));
        socket.write(encodeMessage('resp-multiread', '/vm-config/b', bytes('1')));
        socket.write(encodeMessage('resp-watch', '/vm-config/b'));
        socket.write(encodeMessage('resp-multiread', ''));
      });
    });
    expect(await db.multiread('/vm-config/')).toEqual(new Map([['/vm-config/b', bytes('1')]]));
    expect(db.takeEvents()).toEqual(['/vm-config/a', '/vm-config/b']);
    expect(db.takeEvents()).toEqual([]);
  });

  test('that have arrived before the end of the stream are not lost', async () => {
    const db = await connection();
    await db.watch('/vm-config/');
    daemon.write('/vm-config/dscp', 'cs1');
    await daemon.close();
    expect(await db.waitForEvents()).toEqual(['/vm-config/dscp']);
    await expect(db.waitForEvents()).rejects.toMatchObject({ kind: 'connection' });
  });
});

describe('a daemon that fails', () => {
  test('hangs: the request times out, and the connection is over', async () => {
    const db = await connection({ timeoutMs: 20 });
    daemon.hang();
    await expect(db.read('/name')).rejects.toMatchObject({ kind: 'timeout' });
    await expect(db.read('/name')).rejects.toMatchObject({ kind: 'timeout' });
    daemon.resume();
  });

  test('stops: whoever waits hears of it', async () => {
    const db = await connection();
    daemon.hang();
    const waiting = db.read('/name');
    const failed = expect(waiting).rejects.toMatchObject({ kind: 'connection' });
    daemon.disconnectClients();
    await failed;
  });

  test.each([
    ['garbage', Buffer.alloc(HEADER_BYTES, 0x55), 'message type 85'],
    ['an over-long value', encodeHeader('resp-read', '/name', 3072), 'a value of 3072 bytes'],
    ['a reply of another type', encodeMessage('ok', '/name'), 'answered ok "/name": expected resp-read'],
    ['a reply to another path', encodeMessage('resp-read', '/x'), 'answered resp-read "/x": expected'],
  ])('sends %s', async (_, reply, message) => {
    const db = await against((socket) => socket.once('data', () => socket.write(reply)));
    await expect(db.read('/name')).rejects.toMatchObject({
      kind: 'protocol',
      message: expect.stringContaining(message) as string,
    });
  });

  test('sends a reply that nothing asked for', async () => {
    const db = await against((socket) => socket.write(encodeMessage('ok', '/name')));
    await expect(db.waitForEvents()).rejects.toMatchObject({ kind: 'protocol' });
  });

  test('sends part of a message and goes away', async () => {
    const db = await against((socket) =>
      socket.once('data', () => socket.end(encodeHeader('resp-read', '/name', 4).subarray(0, 71))),
    );
    await expect(db.read('/name')).rejects.toMatchObject({ kind: 'connection' });
  });
});

describe('release', () => {
  test('leaves what arrives later in the socket, for another process to read', async () => {
    const db = await connection();
    await db.watch('/vm-config/');
    const socket = db.release();
    expect(socket).toBeDefined();
    daemon.write('/vm-config/dscp', 'cs1');
    daemon.write('/vm-config/dscp', 'cs2');
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(db.takeEvents()).toEqual([]);
    expect(socket!.bytesRead).toBe(HEADER_BYTES);
    socket!.resume();
    expect(await db.waitForEvents()).toEqual(['/vm-config/dscp', '/vm-config/dscp']);
  });

  test('is refused while an event is here or half here, and reading goes on', async () => {
    const event = encodeMessage('resp-watch', '/vm-config/dscp');
    let server!: Socket;
    const db = await against((socket) => {
      server = socket;
      socket.write(event.subarray(0, 10));
    });
    await refused(db);
    server.write(event.subarray(10));
    await refused(db);
    expect(await db.waitForEvents()).toEqual(['/vm-config/dscp']);
    expect(db.release()).toBeDefined();
  });
});

/** Waits until a release is refused, which undoes each one that is not. */
async function refused(db: QubesDbConnection): Promise<void> {
  for (let socket = db.release(); socket; socket = db.release()) {
    socket.resume();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function connection(options: { socketPaths?: string[]; timeoutMs?: number } = {}) {
  const socketPaths = [join(dir, 'qubesdb.sock'), join(dir, 'qubesdb.ro.sock')];
  const db = await QubesDbConnection.open({ socketPaths, ...options });
  open.push(db);
  return db;
}

/** A connection to a daemon that behaves as the function says. */
async function against(behave: (socket: Socket) => unknown): Promise<QubesDbConnection> {
  const path = join(dir, 'fake.sock');
  fake = createServer((socket) => {
    socket.on('error', () => undefined);
    behave(socket);
  }).listen(path);
  await once(fake, 'listening');
  return connection({ socketPaths: [path], timeoutMs: 2000 });
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
