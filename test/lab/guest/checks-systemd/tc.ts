// Checks that the unit of the tc agent does under systemd what it promises: ready when all is in force, a crash changes
// nothing, a stop removes what is ours, and it stays out of qubes that forward for nobody.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { QubesDb } from '../../../sim/qubesdb.js';
import { check } from '../check.js';
import { sh, shWith, until } from '../run.js';

const UNIT = 'qubes-qos-tc.service';
let db: QubesDb;

async function property(name: string): Promise<string> {
  return (await sh('systemctl', 'show', '--value', `--property=${name}`, UNIT)).trim();
}

async function rootOf(dev: string): Promise<string> {
  return /^qdisc (\S+ \S+)/.exec(await sh('tc', 'qdisc', 'show', 'dev', dev))?.[1] ?? '';
}

/** The commands of the unit between events. */
const AT_REST = ['bash', 'head', 'head', 'ip', 'sleep'];

function pids(): string[] {
  try {
    return readFileSync(`/sys/fs/cgroup/system.slice/${UNIT}/cgroup.procs`, 'utf8')
      .split('\n')
      .filter(Boolean);
  } catch {
    return [];
  }
}

function readComm(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Not Private_Dirty: the root of the guest is in memory, so that what is mapped from it counts. */
function privateDirtyKB(pid: string): number {
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
}

async function untilAtRest(): Promise<void> {
  await until('it rests', () => pids().map(readComm).sort().join() === AT_REST.join(), 60_000);
}

async function untilAwake(): Promise<void> {
  await until('it is awake', () => pids().some((pid) => readComm(pid) === 'node'));
}

async function addVif(domid: number): Promise<void> {
  await sh('ip', 'link', 'add', `vif${domid}.0`, 'type', 'veth', 'peer', 'name', `qube${domid}`);
  await sh('ip', 'link', 'set', `qube${domid}`, 'up');
  await sh('ip', 'link', 'set', `vif${domid}.0`, 'group', '2', 'up');
}

check('in a qube that is no NetVM, and in a template, it does not start', async () => {
  db = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/qos-uplink': 'up=10mbit' } });
  await sh('systemctl', 'start', UNIT);
  assert.equal(await property('ActiveState'), 'inactive');
  mkdirSync('/run/qubes', { recursive: true });
  writeFileSync('/run/qubes/this-is-netvm', '');
  writeFileSync('/run/qubes/this-is-templatevm', '');
  await sh('systemctl', 'start', UNIT);
  assert.equal(await property('ActiveState'), 'inactive');
  rmSync('/run/qubes/this-is-templatevm');
});

check('it is ready when its trees are in force, and says what they are', async () => {
  await sh('ip', 'link', 'add', 'ens6', 'type', 'dummy');
  await sh('ip', 'link', 'set', 'ens6', 'up');
  await sh('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'ens6');
  await sh('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
  await sh('systemctl', 'start', UNIT);
  assert.equal(await rootOf('ens6'), 'htb 51:');
  assert.equal(await property('ActiveState'), 'active');
  assert.equal(await property('StatusText'), 'ens6 htb+ets+cake at 9500kbit');
  // Of Qubes: it makes the vifs of clients, which therefore come when the agent is ready.
  assert.match(await property('Before'), /\bxendriverdomain\.service\b/);
});

check('at rest it is no Node process, and holds little', async () => {
  await untilAtRest();
  assert.equal(readComm(await property('MainPID')), 'bash');
  const kB = pids().map((pid) => [readComm(pid), privateDirtyKB(pid)] as const);
  const sum = kB.reduce((all, [, one]) => all + one, 0);
  assert.ok(sum < 12_000, JSON.stringify(kB));
  return { privateDirtyKB: sum, processes: kB.map(([name, one]) => `${name} ${one}`).join(', ') };
});

check('status text and trees follow dom0, and it rests again', async () => {
  const before = await property('MainPID');
  db.write('/vm-config/qos-uplink', 'up=20mbit');
  await until(
    'the status follows',
    async () => (await property('StatusText')) === 'ens6 htb+ets+cake at 19mbit',
  );
  await untilAtRest();
  assert.notEqual(await property('MainPID'), before);
  assert.equal(await property('NRestarts'), '0');
});

check('a vif that comes while it rests gets its bands, with all that follow at once', async () => {
  const begin = performance.now();
  for (const domid of [3, 4, 5]) await addVif(domid);
  for (const domid of [3, 4, 5])
    await until(`vif${domid}.0 has its bands`, async () => (await rootOf(`vif${domid}.0`)).startsWith('ets'));
  const guestMs = Math.round(performance.now() - begin);
  await untilAtRest();
  return { guestMs };
});

check('an ip monitor that dies, and a QubesDB that goes and comes, are noticed at rest', async () => {
  await sh('pkill', '-x', 'ip');
  await untilAwake();
  await untilAtRest();
  await db.close();
  await until('it is awake and waits', async () => readComm(await property('MainPID')) === 'node');
  await addVif(6);
  await until('vif6.0 has its bands', async () => (await rootOf('vif6.0')).startsWith('ets'), 60_000);
  db = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/qos-uplink': 'up=20mbit down=50mbit' } });
  await until(
    'what comes in is shaped',
    async () => (await property('StatusText')).includes('comes in'),
    60_000,
  );
  await untilAtRest();
});

check('a vif that comes while nobody of ours can act is believed nothing from the start', async () => {
  const inForce = (): Promise<string> => sh('tc', 'filter', 'show', 'dev', 'vif7.0', 'ingress');
  db.write('/vm-config/qos-enforce', '1');
  await until('udev is told', () => existsSync('/run/qubes-qos/new-vif.tc'), 60_000);
  await untilAtRest();
  await sh('systemctl', 'kill', '--signal=STOP', UNIT);
  const begin = performance.now();
  await sh('ip', 'link', 'add', 'vif7.0', 'type', 'veth', 'peer', 'name', 'qube7');
  await until('it has the first filters', async () => [...(await inForce()).matchAll(/pedit/g)].length === 2);
  const guestMs = Math.round(performance.now() - begin);
  await sh('systemctl', 'kill', '--signal=CONT', UNIT);
  await sh('ip', 'link', 'set', 'vif7.0', 'group', '2', 'up');
  await until('it has its own', async () => (await inForce()).includes('u32'), 60_000);
  await untilAtRest();
  db.remove('/vm-config/qos-enforce');
  await until('udev is told', () => !existsSync('/run/qubes-qos/new-vif.tc'), 60_000);
  await untilAtRest();
  return { guestMs };
});

check('the slow pass repairs, and many rests say nothing to the journal and leave no process', async () => {
  const said = async (): Promise<string[]> =>
    (await sh('journalctl', '-u', UNIT, '-o', 'cat')).trim().split('\n');
  const before = await said();
  await sh('tc', 'qdisc', 'delete', 'dev', 'vif3.0', 'root');
  await until('vif3.0 has its bands', async () => (await rootOf('vif3.0')).startsWith('ets'), 90_000);
  await untilAtRest();
  for (let count = 0; count < 4; count++) {
    // A route that changes nothing for us is an event all the same.
    await sh('ip', 'route', 'replace', 'unreachable', `198.51.100.${count}/32`);
    await untilAwake();
    await untilAtRest();
  }
  assert.deepEqual(pids().map(readComm).sort(), AT_REST);
  const news = (await said()).slice(before.length);
  assert.equal(news.length, 1, news.join('\n'));
  assert.match(news[0]!, /^changed vif3\.0: /);
  assert.equal(await property('NRestarts'), '0');
});

check('killed, it comes back, and what is in force was never touched', async () => {
  const before = await sh('tc', 'qdisc', 'show', 'dev', 'ens6');
  const pid = await property('MainPID');
  assert.notEqual(pid, '0');
  await sh('kill', '-KILL', pid);
  await until('a new process is ready', async () => {
    const [state, now] = [await property('SubState'), await property('MainPID')];
    return state === 'running' && now !== pid && now !== '0';
  });
  assert.equal(await sh('tc', 'qdisc', 'show', 'dev', 'ens6'), before);
  await untilAtRest();
});

check('the hardened unit can do all that it must: no failure in its journal', async () => {
  const { stdout } = await shWith(
    { okCodes: [0, 1] },
    'journalctl',
    '-u',
    UNIT,
    '-p',
    'warning',
    '-o',
    'cat',
    '--no-pager',
  );
  // The checks above have killed it, and ended QubesDB.
  assert.doesNotMatch(
    stdout.replaceAll(/.*(code=killed|signal|QubesDB).*\n?/g, ''),
    /qubes-qos|cannot|permission/i,
  );
  await sh('udevadm', 'verify', '/usr/lib/udev/rules.d/75-qubes-qos.rules');
  const exposure = await sh('systemd-analyze', 'security', '--no-pager', UNIT);
  return { exposure: /Overall exposure level.*: (\S+)/.exec(exposure)?.[1] };
});

check('a stop removes what is ours and leaves no process', async () => {
  await sh('systemctl', 'stop', UNIT);
  assert.equal(await property('ActiveState'), 'inactive');
  assert.equal(await rootOf('ens6'), 'noqueue 0:');
  assert.doesNotMatch(await sh('ip', '-o', 'link', 'show'), /qos-/);
  assert.equal((await shWith({ okCodes: [0, 1] }, 'pgrep', '-f', 'qubes-qos-tc')).stdout, '');
  assert.equal((await shWith({ okCodes: [0, 1] }, 'pgrep', '-x', 'ip|head|sleep')).stdout, '');
  await db.close();
});
