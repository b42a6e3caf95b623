import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { QubesDb } from '../sim/qubesdb.js';
import { golden, MangleQube } from './mangle-qube.js';

const EF_TABLE = await golden('mangle-ef-listed');
/** How a socket is paused and inherited is Node's own business, so every version that users have must do it right. */
const NODES = ['node20', 'node22', 'node24'].map(
  (name) =>
    [name, fileURLToPath(new URL(`node-versions/node_modules/${name}/bin/node`, import.meta.url))] as const,
);
const CLASSES = ['ef', 'cs5', 'cs0', 'cs2', 'cs1'];

let qube: MangleQube;
let children: ChildProcess[];

beforeEach(async () => {
  children = [];
  qube = await MangleQube.create();
  qube.qubesdb.write('/vm-config/dscp', 'ef');
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await qube.close();
});

describe('by hand', () => {
  test('watch stays in the foreground and applies every change', async () => {
    const { child } = start({}, process.execPath);
    await inForce('ef');
    qube.qubesdb.write('/vm-config/dscp', 'cs1');
    await inForce('cs1');
    qube.qubesdb.remove('/vm-config/');
    await inForce('none');
    qube.qubesdb.write('/vm-config/dscp', 'cs2');
    await inForce('cs2');
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(await classInForce()).toBe('cs2');
  });

  test('defect of the original: no live update, and a flushed ruleset stays flushed', async () => {
    start({}, process.execPath);
    await inForce('ef');
    await qube.nft('flush ruleset');
    qube.qubesdb.write('/vm-config/other', '1');
    await inForce('ef');
  });

  test('a daemon that restarts: what is in force stays, then the new value', async () => {
    const { output } = start({}, process.execPath);
    await inForce('ef');
    await qube.qubesdb.close();
    await until(() => output().includes('QubesDB closed the connection; its daemon has stopped.'));
    expect(await qube.table()).toBe(EF_TABLE);
    qube.qubesdb = await QubesDb.listen(qube.namespace.socketDir, { entries: { '/vm-config/dscp': 'cs5' } });
    await inForce('cs5');
    expect(output()).toContain('the trouble is over');
  });
});

describe('under systemd', () => {
  test.each(NODES)(
    '%s hands the connection to head, tells systemd in one message, and ends',
    async (_, node) => {
      const unit = await Unit.create(undefined, node);
      const waiter = await unit.run();
      expect(unit.messages()).toEqual([
        `READY=1 MAINPID=${waiter} STATUS=/vm-config/dscp is ef: every packet of this qube leaves with DSCP 46.`,
      ]);
      expect(readFileSync(`/proc/${waiter}/cmdline`, 'latin1')).toBe('head\0-c\x0072\0');
      expect(await qube.table()).toBe(EF_TABLE);
      expect(qube.qubesdb.clientCount).toBe(1);
      // Node leaves O_NONBLOCK on its sockets, and head would end at the first EAGAIN.
      const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/${waiter}/fdinfo/0`, 'latin1'))?.[1] ?? '';
      expect(Number.parseInt(flags, 8) & 0o4000).toBe(0);
      qube.qubesdb.write('/vm-config/dscp', 'cs1');
      await ended(waiter);
      await unit.run();
      expect(await classInForce()).toBe('cs1');
    },
  );

  test('a hundred changes at any moment of its life end with the last value in force', async () => {
    const unit = await Unit.create();
    let isDone = false;
    const supervised = unit.superviseUntil(() => isDone);
    for (let count = 0; count < 100; count++) {
      qube.qubesdb.write('/vm-config/dscp', CLASSES[count % CLASSES.length]!);
      // A step that no period of the program is a multiple of, so that changes fall into every phase of it.
      await delay((count * 7) % 23);
    }
    qube.qubesdb.write('/vm-config/dscp', 'cs2');
    await inForce('cs2');
    await until(() => unit.waiterIsAlive());
    await delay(300);
    expect(await classInForce()).toBe('cs2');
    expect(unit.waiterIsAlive()).toBe(true);
    expect(unit.runs).toBeLessThan(100);
    isDone = true;
    qube.qubesdb.write('/vm-config/dscp', 'cs2');
    await supervised;
  });

  test('a daemon that hangs does not hold up what is ordered after the unit', async () => {
    qube.qubesdb.hang();
    const unit = await Unit.create();
    const running = unit.run();
    await until(() => unit.messages().length > 0);
    expect(unit.messages()[0]).toMatch(
      /^--ready --pid=\d+ --status=in trouble, what is in force stays: .*no answer/,
    );
    qube.qubesdb.resume();
    const waiter = await running;
    expect(unit.messages().at(-1)).toContain(`READY=1 MAINPID=${waiter}`);
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test('a daemon that is not there: waits inside, then hands over', async () => {
    await qube.qubesdb.close();
    const unit = await Unit.create();
    const running = unit.run();
    await until(() => unit.messages().length > 0);
    qube.qubesdb = await QubesDb.listen(qube.namespace.socketDir, { entries: { '/vm-config/dscp': 'ef' } });
    await running;
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test('nft fails: no hand-over before the policy is in force', async () => {
    const flag = join(qube.namespace.socketDir, 'broken');
    await qube.fakeProgram(
      'nft',
      '[ ! -e /run/qubes/broken ] || { echo "Error: broken" >&2; exit 1; }; exec "$REAL" "$@"',
    );
    await writeFile(flag, '');
    const unit = await Unit.create();
    const running = unit.run();
    await until(() => unit.messages().length > 0);
    expect(unit.messages()).toHaveLength(1);
    expect(unit.messages()[0]).toContain('nft refused list table inet qubes-qos-mangle: broken');
    await rm(flag);
    await running;
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test('systemd cannot be told: stays, and leaves no waiter behind for each attempt', async () => {
    const unit = await Unit.create('exit 1');
    const { child, output } = unit.start();
    await until(() => output().includes('systemd-notify READY=1 MAINPID='));
    await until(() => qube.qubesdb.clientCount === 0);
    await delay(1200);
    expect(qube.qubesdb.clientCount).toBeLessThanOrEqual(1);
    expect(child.exitCode).toBeNull();
  });
});

/** What systemd does with the unit: start it, follow MAINPID, start it again. */
class Unit {
  readonly #env: Record<string, string>;
  readonly #node: string;
  runs = 0;
  #waiter = 0;

  static async create(notify = 'echo "$*" >> /run/qubes/notify.log', node = process.execPath): Promise<Unit> {
    const path = await qube.fakeProgram('systemd-notify', notify);
    return new Unit({ PATH: path, NOTIFY_SOCKET: '/run/notify' }, node);
  }

  private constructor(env: Record<string, string>, node: string) {
    this.#env = env;
    this.#node = node;
  }

  start(): { child: ChildProcess; output: () => string } {
    this.runs++;
    return start(this.#env, this.#node);
  }

  /** Runs the program until it has handed over. @returns the process id of the waiter. */
  async run(): Promise<number> {
    const { child, output } = this.start();
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code, output()).toBe(0);
    this.#waiter = Number(/MAINPID=(\d+)/.exec(this.messages().at(-1) ?? '')?.[1]);
    return this.#waiter;
  }

  async superviseUntil(isDone: () => boolean): Promise<void> {
    while (!isDone()) await ended(await this.run());
  }

  waiterIsAlive(): boolean {
    return this.#waiter > 0 && existsSync(`/proc/${this.#waiter}`);
  }

  messages(): string[] {
    const file = join(qube.namespace.socketDir, 'notify.log');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }
}

function start(env: Record<string, string>, node: string): { child: ChildProcess; output: () => string } {
  const child = qube.start(env, ['watch'], node);
  children.push(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return { child, output: () => said };
}

async function classInForce(): Promise<string> {
  const status = await qube.mangle('status', '--json');
  return (JSON.parse(status.stdout) as { inForce: string }).inForce;
}

async function inForce(expected: string): Promise<void> {
  while ((await classInForce()) !== expected) await delay(20);
}

async function ended(pid: number): Promise<void> {
  await until(() => !existsSync(`/proc/${pid}`));
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await delay(10);
}
