// Checks that the units of the mangle agent do under systemd what they promise: no Node process between changes, no
// change lost, no start limit, nothing left after a stop.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { check } from '../check.js';
import { commands, property, UNIT } from '../mangle-unit.js';
import { sh, shWith, sleep, until } from '../run.js';
import { QubesDb } from '../../../sim/qubesdb.js';

const CLEANUP = 'qubes-qos-mangle-cleanup.service';
const CLASSES = { ef: 46, cs5: 40, cs0: 0, cs2: 16, cs1: 8 } as const;
const NAMES = Object.keys(CLASSES) as (keyof typeof CLASSES)[];

let qubesdb: QubesDb;

check('the unit becomes active with head as its main process and no Node process', async () => {
  qubesdb = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/dscp': 'ef' } });
  await sh('systemctl', 'start', UNIT);
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await classInForce(), 46);
  await until('only the waiter is left', async () => (await commands()).join() === 'head');
  assert.equal(await mainCommand(), 'head');
  assert.match(await property('StatusText'), /^\/vm-config\/dscp is ef: every packet/);
  return { privateKB: privateMemory(await property('MainPID')) };
});

check('every change comes into force, and no restart counts as a failure', async () => {
  const latencies: number[] = [];
  for (const name of ['cs5', 'cs1', 'ef'] as const) {
    const begin = performance.now();
    qubesdb.write('/vm-config/dscp', name);
    await until(`${name} is in force`, async () => (await classInForce()) === CLASSES[name]);
    latencies.push(Math.round(performance.now() - begin));
    await until('it waits again', async () => (await commands()).join() === 'head');
  }
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await property('Result'), 'success');
  return { guestMs: latencies };
});

check(
  'a hundred changes as fast as possible: the last is in force, the unit active, no limit hit',
  async () => {
    const before = Number(await property('NRestarts'));
    for (let count = 0; count < 100; count++) qubesdb.write('/vm-config/dscp', NAMES[count % NAMES.length]!);
    // Another than the one that was in force before them.
    qubesdb.write('/vm-config/dscp', 'cs2');
    await until('cs2 is in force and it waits', () => isQuietWith(16), 60_000);
    assert.equal(await property('ActiveState'), 'active');
    assert.equal(await property('Result'), 'success');
    return { restarts: Number(await property('NRestarts')) - before };
  },
);

check('a hundred changes over all phases of its restarts: the same', async () => {
  const before = Number(await property('NRestarts'));
  for (let count = 0; count < 100; count++) {
    qubesdb.write('/vm-config/dscp', NAMES[count % NAMES.length]!);
    await sleep((count * 37) % 113);
  }
  qubesdb.write('/vm-config/dscp', 'cs5');
  await until('cs5 is in force and it waits', () => isQuietWith(40), 60_000);
  assert.equal(await property('ActiveState'), 'active');
  return { restarts: Number(await property('NRestarts')) - before };
});

check(
  'defect of the original: the table is deleted and added. Between two changes it is never away',
  async () => {
    const samples: (number | undefined)[] = [];
    for (let count = 0; count < 2; count++) {
      const before = await property('NRestarts');
      qubesdb.write('/vm-config/dscp', NAMES[count]!);
      while ((await property('NRestarts')) === before) samples.push(await classInForce());
      await until('it waits again', () => isQuietWith(CLASSES[NAMES[count]!]));
    }
    assert.ok(samples.every((dscp) => dscp !== undefined));
    return { samples: samples.length };
  },
);

check('QubesDB goes away: the table stays, the unit stays active, and it does not spin', async () => {
  qubesdb.write('/vm-config/dscp', 'ef');
  await until('ef is in force and it waits', () => isQuietWith(46), 30_000);
  await qubesdb.close();
  await until('it has noticed', async () => (await property('StatusText')).startsWith('in trouble'));
  const before = Number(await property('NRestarts'));
  const cpuBefore = Number(await property('CPUUsageNSec'));
  await sleep(60_000);
  assert.equal(Number(await property('NRestarts')), before);
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await classInForce(), 46);
  const cpuMs = Math.round((Number(await property('CPUUsageNSec')) - cpuBefore) / 1e6);
  qubesdb = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/dscp': 'cs2' } });
  await until('cs2 is in force and it waits', () => isQuietWith(16), 60_000);
  return { cpuMsInAMinute: cpuMs };
});

check('the program is killed: what is in force stays, and it comes back', async () => {
  await sh('kill', '-KILL', await property('MainPID'));
  assert.equal(await classInForce(), 16);
  await until('it waits again', () => isQuietWith(16), 30_000);
});

check('a stop while it waits returns when the table is gone', async () => {
  await sh('systemctl', 'stop', UNIT);
  assert.equal(await classInForce(), undefined);
  assert.equal(await property('ActiveState'), 'inactive');
  assert.equal(await property('Result'), 'success');
  assert.deepEqual(await commands(), []);
});

check('a stop at any moment leaves no table and no process', async () => {
  let late = 0;
  // A restart takes two to three seconds in the guest: the stops fall into every phase of one.
  for (const phaseMs of [0, 20, 60, 400, 1200, 1900]) {
    await sh('systemctl', 'start', UNIT);
    qubesdb.write('/vm-config/dscp', NAMES[phaseMs % NAMES.length]!);
    await sleep(phaseMs);
    await sh('systemctl', 'stop', UNIT);
    assert.equal(await property('ActiveState'), 'inactive');
    if ((await classInForce()) !== undefined) late++;
    await until('the table is gone', async () => (await classInForce()) === undefined);
    assert.deepEqual(await commands(), []);
    await until('it stays so', async () => (await property('ActiveState', CLEANUP)) === 'inactive');
  }
  assert.equal(await property('Result'), 'success');
  return { goneOnlyAfterStopReturned: late };
});

check('the journal has no warning of systemd about the unit', async () => {
  const lines = (await sh('journalctl', '--no-pager', '-o', 'cat', '-u', UNIT)).split('\n');
  // Not SIGKILL: an event between hand-over and exit makes systemd kill, and say so, what is exiting at that moment.
  assert.deepEqual(
    lines.filter((line) => /not our child|remains running|timed out/.test(line)),
    [],
  );
});

check('in a template it does not start', async () => {
  writeFileSync('/run/qubes/this-is-templatevm', '');
  await sh('systemctl', 'start', UNIT);
  assert.equal(await property('ConditionResult'), 'no');
  assert.equal(await classInForce(), undefined);
});

check('the units have nothing that systemd would complain of', async () => {
  // The guest has no manual pages; test/bundle/install.test.ts looks for ours.
  const { stderr } = await shWith({ okCodes: [0, 1] }, 'systemd-analyze', 'verify', '--man=no', UNIT);
  assert.equal(
    stderr
      .split('\n')
      .filter((line) => line.includes('qubes-qos'))
      .join('\n'),
    '',
  );
  const security = await sh('systemd-analyze', 'security', '--no-pager', UNIT);
  return { security: /Overall exposure level.*?([\d.]+ \w+)/.exec(security)?.[1] ?? 'unknown' };
});

/** The DSCP that our table sets; undefined without a table. */
async function classInForce(): Promise<number | undefined> {
  const { exitCode, stdout } = await shWith(
    { okCodes: [0, 1] },
    'nft',
    'list',
    'table',
    'inet',
    'qubes-qos-mangle',
  );
  if (exitCode !== 0) return undefined;
  const name = /ip6 dscp set (\w+)/.exec(stdout)?.[1];
  return NAMES.includes(name as keyof typeof CLASSES) ? CLASSES[name as keyof typeof CLASSES] : Number.NaN;
}

async function mainCommand(): Promise<string> {
  return readFileSync(`/proc/${await property('MainPID')}/comm`, 'utf8').trim();
}

async function isQuietWith(dscp: number): Promise<boolean> {
  return (await classInForce()) === dscp && (await commands()).join() === 'head';
}

function privateMemory(pid: string): number {
  if (!readdirSync(`/proc/${pid}`).includes('smaps_rollup')) return Number.NaN;
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return ['Private_Clean', 'Private_Dirty'].reduce(
    (sum, name) => sum + Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]),
    0,
  );
}
