// Checks of the resident agent: it follows vifs, uplinks and dom0, repairs what nobody tells it of, and stops cleanly.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { QubesDb } from '../../../sim/qubesdb.js';
import { check } from '../check.js';
import { sh, shWith, sleep, start, until, type Background } from '../run.js';

let db: QubesDb;
let agent: Background;

async function rootOf(dev: string): Promise<string> {
  const { stdout } = await shWith({ okCodes: [0, 1] }, 'tc', 'qdisc', 'show', 'dev', dev);
  return /^qdisc (\S+ \S+)/.exec(stdout)?.[1] ?? '';
}

async function untilRoot(dev: string, wanted: RegExp, timeoutMs?: number): Promise<void> {
  await until(`${dev} has ${String(wanted)}`, async () => wanted.test(await rootOf(dev)), timeoutMs);
}

async function addVif(name: string, domid: number): Promise<void> {
  await sh('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `qube${domid}`);
  await sh('ip', 'link', 'set', `qube${domid}`, 'up');
  await sh('ip', 'link', 'set', name, 'group', '2', 'up');
}

async function agentPid(): Promise<string> {
  return (await sh('pgrep', '-o', '-f', 'qubes-qos-tc run')).trim();
}

/** Names of the processes that the agent has started and that have not ended. */
async function children(): Promise<string> {
  const { stdout } = await shWith({ okCodes: [0, 1] }, 'ps', '-o', 'comm=', '--ppid', await agentPid());
  return stdout.trim().split('\n').sort().join();
}

check('it starts without any network, and waits', async () => {
  db = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/qos-uplink': 'up=10mbit' } });
  agent = start('qubes-qos-tc', 'run');
  await until('it follows the network', async () => (await children()) === 'ip');
});

check('a NIC that gets its default route becomes the line', async () => {
  await sh('ip', 'link', 'add', 'ens6', 'type', 'dummy');
  await sh('ip', 'link', 'set', 'ens6', 'up');
  await sh('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'ens6');
  await sleep(3000);
  assert.equal(await rootOf('ens6'), 'noqueue 0:');
  await sh('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
  await untilRoot('ens6', /^htb 51:/);
});

check('vifs get their bands as they come, many at once too', async () => {
  await addVif('vif3.0', 3);
  await untilRoot('vif3.0', /^ets 51:/);
  for (let domid = 10; domid < 30; domid++) await addVif(`vif${domid}.0`, domid);
  for (let domid = 10; domid < 30; domid++) await untilRoot(`vif${domid}.0`, /^ets 51:/);
});

check(
  'a vif that is replaced under its own name gets its bands again (fake-ip, a restart of the qube)',
  async () => {
    await sh('ip', 'link', 'delete', 'vif3.0');
    await addVif('vif3.0', 3);
    await untilRoot('vif3.0', /^ets 51:/);
    assert.match(await rootOf('ens6'), /^htb 51:/, 'the line is changed in place');
  },
);

check('qubes that stop by the dozen cost the others nothing, and nobody complains', async () => {
  for (let domid = 10; domid < 30; domid++) await sh('ip', 'link', 'delete', `vif${domid}.0`);
  await addVif('vif40.0', 40);
  // The kernel takes seconds to remove so many interfaces, and tc waits for it.
  await untilRoot('vif40.0', /^ets 51:/, 30_000);
  assert.match(await rootOf('ens6'), /^htb 51:/);
  assert.doesNotMatch(agent.output(), /problem|error|refused/);
});

check('an uplink that goes and returns (suspend, a change of netvm) is shaped again', async () => {
  await sh('ip', 'link', 'delete', 'ens6');
  await sh('ip', 'link', 'add', 'ens6', 'type', 'dummy');
  await sh('ip', 'link', 'set', 'ens6', 'up');
  await sh('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'ens6');
  await sh('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
  await untilRoot('ens6', /^htb 51:/);
});

check('a new rate from dom0 is in force at once, in place; a hundred of them end with the last', async () => {
  db.write('/vm-config/qos-uplink', 'up=20mbit');
  await until('19 Mbit', async () =>
    (await sh('tc', 'class', 'show', 'dev', 'ens6')).includes('rate 19Mbit'),
  );
  for (let rate = 1; rate <= 100; rate++) db.write('/vm-config/qos-uplink', `up=${rate}mbit`);
  await until('95 Mbit', async () =>
    (await sh('tc', 'class', 'show', 'dev', 'ens6')).includes('rate 95Mbit'),
  );
  assert.equal(await rootOf('ens6'), 'htb 51:');
});

check('garbage from dom0 keeps the rate, is said once, and the next good value counts', async () => {
  for (let count = 0; count < 3; count++) db.write('/vm-config/qos-uplink', 'up=fast');
  await until('it is said', () => agent.output().includes('stays in force'));
  await sleep(2000);
  assert.equal(agent.output().split('"fast"').length, 2, agent.output());
  assert.match(await sh('tc', 'class', 'show', 'dev', 'ens6'), /rate 95Mbit/);
  db.write('/vm-config/qos-uplink', 'up=10mbit');
  await until('9.5 Mbit', async () => (await sh('tc', 'class', 'show', 'dev', 'ens6')).includes('9500Kbit'));
});

check('removing the feature, and even the whole directory, removes the shaper', async () => {
  db.remove('/vm-config/');
  await untilRoot('ens6', /^ets 61:/);
  db.write('/vm-config/qos-uplink', 'up=10mbit');
  await untilRoot('ens6', /^htb 51:/);
});

check('QubesDB that goes away changes nothing; when it is back, its word counts', async () => {
  await db.close();
  await sleep(20_000);
  assert.match(await rootOf('ens6'), /^htb 51:/);
  db = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/qos-uplink': 'up=30mbit' } });
  await until(
    '28.5 Mbit',
    async () => (await sh('tc', 'class', 'show', 'dev', 'ens6')).includes('28500Kbit'),
    60_000,
  );
});

check('what no event tells of is repaired by the slow pass', async () => {
  await sh('tc', 'qdisc', 'delete', 'dev', 'vif40.0', 'root');
  await untilRoot('vif40.0', /^ets 51:/, 90_000);
});

check('when nothing changes it starts nothing, but one pass a minute', async () => {
  await sleep(2000);
  const before = forks();
  await sleep(55_000);
  // ps and this check's own commands are not started in between.
  const started = forks() - before;
  assert.ok(started <= 3, `${started} processes in 55 s`);
});

check('ip monitor that dies is started again', async () => {
  await sh('pkill', '-x', '-P', await agentPid(), 'ip');
  await until('it is back', async () => (await children()) === 'ip');
  await addVif('vif41.0', 41);
  await untilRoot('vif41.0', /^ets 51:/);
});

check('SIGTERM ends it with 0, leaves what is in force, and no process', async () => {
  await agent.stop();
  assert.equal(agent.ended(), 0, agent.output());
  assert.match(await rootOf('ens6'), /^htb/);
  assert.equal((await shWith({ okCodes: [0, 1] }, 'pgrep', '-x', 'ip')).stdout, '');
});

check('a new start finds everything right and touches nothing', async () => {
  const before = await sh('tc', 'qdisc', 'show');
  agent = start('qubes-qos-tc', 'run');
  await until('it follows the network', async () => (await children()) === 'ip');
  await sleep(3000);
  assert.equal(await sh('tc', 'qdisc', 'show'), before);
  assert.equal(agent.output(), '');
  await agent.stop();
  await db.close();
});

/** Processes started since boot (/proc/stat). */
function forks(): number {
  return Number(/^processes (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
}
