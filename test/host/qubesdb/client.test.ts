import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { messageOf } from '@qubes-qos/core/errors';
import { BACKOFF, followQubesDb, nextWaitMs, withQubesDb } from '@qubes-qos/host/qubesdb/client';
import type { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import { QubesDb } from '../../sim/qubesdb.js';

let dir: string;
let daemon: QubesDb;
let troubles: string[];
let ending: AbortController;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qubesdb-'));
  daemon = await QubesDb.listen(dir, { entries: { '/vm-config/dscp': 'ef' } });
  troubles = [];
  ending = new AbortController();
});

afterEach(async () => {
  ending.abort();
  await daemon.close();
  await rm(dir, { recursive: true });
});

test('a one-shot read leaves no connection behind', async () => {
  expect(await withQubesDb(readClass, options())).toBe('ef');
  while (daemon.clientCount > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('following yields the value at once, then after every change', async () => {
  const values = follow();
  expect(await next(values)).toBe('ef');
  daemon.write('/vm-config/dscp', 'cs1');
  expect(await next(values)).toBe('cs1');
  daemon.remove('/vm-config/dscp');
  expect(await next(values)).toBeUndefined();
  daemon.write('/vm-config/dscp', 'cs2');
  expect(await next(values)).toBe('cs2');
  daemon.remove('/vm-config/');
  expect(await next(values)).toBeUndefined();
});

test('a burst of changes ends with the last value, in fewer steps', async () => {
  const values = follow();
  await next(values);
  for (let count = 0; count < 100; count++) daemon.write('/vm-config/dscp', `v${count}`);
  let steps = 0;
  while ((await next(values)) !== 'v99') steps++;
  expect(steps).toBeLessThan(100);
});

test('a restart of the daemon: connects, watches and reads again, with what changed meanwhile', async () => {
  const values = follow();
  await next(values);
  await daemon.close();
  const waiting = next(values);
  daemon = await QubesDb.listen(dir, { entries: { '/vm-config/dscp': 'cs5' } });
  expect(await waiting).toBe('cs5');
  expect(troubles).not.toEqual([]);
  daemon.write('/vm-config/dscp', 'cs1');
  expect(await next(values)).toBe('cs1');
});

test('a daemon that hangs is reported and tried again, and holds one connection at a time', async () => {
  daemon.hang();
  const values = follow();
  const waiting = next(values);
  while (troubles.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(troubles[0]).toContain('no answer to watch');
  expect(daemon.clientCount).toBeLessThanOrEqual(1);
  daemon.resume();
  expect(await waiting).toBe('ef');
});

test('the waits between attempts double up to the longest: never a busy loop', () => {
  const waits = [BACKOFF.firstMs];
  for (let count = 0; count < 9; count++) waits.push(nextWaitMs(waits.at(-1)!, BACKOFF));
  expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('ending while it waits for an event closes the connection and is no trouble', async () => {
  const values = follow();
  await next(values);
  const waiting = next(values);
  ending.abort();
  expect(await waiting).toBe('ended');
  expect(troubles).toEqual([]);
});

function options() {
  return { socketPaths: [join(dir, 'qubesdb.sock')], timeoutMs: 50 };
}

function follow() {
  return followQubesDb('/vm-config/', readClass, {
    ...options(),
    backoff: { firstMs: 1, longestMs: 5 },
    signal: ending.signal,
    onTrouble: (error) => troubles.push(messageOf(error)),
  });
}

async function readClass(db: QubesDbConnection): Promise<string | undefined> {
  const value = await db.read('/vm-config/dscp');
  return value && Buffer.from(value).toString('latin1');
}

async function next(values: AsyncGenerator<string | undefined>): Promise<string | undefined> {
  const result = await values.next();
  return result.done ? 'ended' : result.value;
}
