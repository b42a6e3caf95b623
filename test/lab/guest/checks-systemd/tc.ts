// Checks that the unit of the tc agent does under systemd what it promises: ready when all is in force, a crash changes
// nothing, a stop removes what is ours, and it stays out of qubes that forward for nobody.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
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
});

check('status text and trees follow dom0', async () => {
  db.write('/vm-config/qos-uplink', 'up=20mbit');
  await until(
    'the status follows',
    async () => (await property('StatusText')) === 'ens6 htb+ets+cake at 19mbit',
  );
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
  assert.doesNotMatch(stdout.replaceAll(/.*(code=killed|signal).*\n?/g, ''), /qubes-qos|cannot|permission/i);
  const exposure = await sh('systemd-analyze', 'security', '--no-pager', UNIT);
  return { exposure: /Overall exposure level.*: (\S+)/.exec(exposure)?.[1] };
});

check('a stop removes what is ours and leaves no process', async () => {
  await sh('systemctl', 'stop', UNIT);
  assert.equal(await property('ActiveState'), 'inactive');
  assert.equal(await rootOf('ens6'), 'noqueue 0:');
  assert.equal((await shWith({ okCodes: [0, 1] }, 'pgrep', '-f', 'qubes-qos-tc')).stdout, '');
  await db.close();
});
