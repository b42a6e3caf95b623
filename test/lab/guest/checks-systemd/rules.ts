// Checks that rules that name a unit, a cgroup or an account follow what becomes of it, and that no Node process waits for that.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { makeUplink, tosOf } from '../capture.js';
import { check } from '../check.js';
import { commands, property, UNIT } from '../mangle-unit.js';
import { sh, shWith, sleep, until } from '../run.js';
import { QubesDb } from '../../../sim/qubesdb.js';

const PATIENCE_MS = 30_000;
const PROBE = 'probe.service';
const WAKE = 'qubes-qos-mangle-wake@';

let qubesdb: QubesDb;

check('a rule for a unit follows it: not there, started, restarted, stopped', async () => {
  await makeUplink();
  writeFileSync(
    `/run/systemd/system/${PROBE}`,
    '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=sleep infinity\n',
  );
  await sh('systemctl', 'daemon-reload');
  const rules = `unit:${PROBE} -> cs1; user:backup -> cs0`;
  qubesdb = await QubesDb.listen('/run/qubes', {
    entries: { '/vm-config/dscp': 'ef', '/vm-config/qos-rules': rules },
  });
  await sh('systemctl', 'start', UNIT);
  await untilQuiet();
  assert.match(
    await property('StatusText'),
    /has 2 rules: .* Rule "unit:probe\.service -> cs1" does not count now: unit "probe\.service" does not run\.$/,
  );
  assert.equal(await watches(), `${WAKE}sys-fs-cgroup-system.slice.path`);
  const delays: number[] = [];
  for (const verb of ['start', 'restart']) {
    await sh('systemctl', verb, PROBE);
    const at = performance.now();
    await until(
      `its cgroup is meant after a ${verb}`,
      async () => (await cgroupsMeant()) === cgroup(),
      PATIENCE_MS,
    );
    delays.push(Math.round(performance.now() - at));
    await untilQuiet();
  }
  for (const family of ['ip', 'ip6'] as const) {
    assert.deepEqual(await tosOf(family, { cgroup: `system.slice/${PROBE}` }), [0x20]);
    assert.deepEqual(await tosOf(family), [0xb8]);
  }
  await sh('systemctl', 'stop', PROBE);
  await until('the rule is out', async () => (await cgroupsMeant()) === '', PATIENCE_MS);
  await untilQuiet();
  return { guestMs: delays };
});

check(
  'a unit that is restarted at any moment of a restart of the program ends with its last cgroup',
  async () => {
    for (let count = 0; count < 6; count++) {
      await sh('systemctl', 'restart', PROBE);
      await sleep((count * 397) % 1300);
    }
    await until('its last cgroup is meant', async () => (await cgroupsMeant()) === cgroup(), PATIENCE_MS);
    await untilQuiet();
    assert.equal(await cgroupsMeant(), cgroup());
    assert.equal(await property('Result'), 'success');
  },
);

check('a rule for a user that is made later', async () => {
  qubesdb.write('/vm-config/qos-rules', 'user:carol -> cs1');
  await until('accounts are watched', async () => (await watches()) === `${WAKE}etc.path`, PATIENCE_MS);
  await untilQuiet();
  const accounts = readFileSync('/etc/passwd', 'latin1');
  // As useradd(8) does it.
  writeFileSync('/etc/passwd+', `${accounts}carol:x:4242:4242::/nonexistent:/usr/sbin/nologin\n`);
  renameSync('/etc/passwd+', '/etc/passwd');
  await until('the rule counts', async () => (await table()).includes('skuid 4242'), PATIENCE_MS);
  await until('nothing is watched', async () => (await watches()) === '', PATIENCE_MS);
});

check('watches are as many as the rules need, and end with them and with the program', async () => {
  // The last is where it is itself, and is left out.
  const units = `unit:${PROBE} -> cs1; unit:${UNIT} -> cs1`;
  qubesdb.write('/vm-config/qos-rules', `cgroup:a.slice/b -> cs1; ${units}`);
  const both = `${WAKE}sys-fs-cgroup-system.slice.path ${WAKE}sys-fs-cgroup.path`;
  await until('two are watched', async () => (await watches()) === both, PATIENCE_MS);
  await untilQuiet();
  const before = await property('NRestarts');
  await sleep(6000);
  assert.equal(await property('NRestarts'), before, 'what it does itself does not wake it');
  qubesdb.remove('/vm-config/qos-rules');
  await until('nothing is watched', async () => (await watches()) === '', PATIENCE_MS);
  qubesdb.write('/vm-config/qos-rules', `unit:${PROBE} -> cs1`);
  await until('one is watched', async () => (await watches()) !== '', PATIENCE_MS);
  await untilQuiet();
  await sh('systemctl', 'stop', UNIT);
  assert.equal(await watches(), '');
  assert.equal(await table(), '');
});

check('the journal has no failure of a unit of ours', async () => {
  const lines = (await sh('journalctl', '--no-pager', '-o', 'cat')).split('\n');
  assert.deepEqual(
    lines.filter((line) => /qubes-qos.*(Failed with|too quickly)|not our child|Invalid/.test(line)),
    [],
  );
  const { stderr } = await shWith({ okCodes: [0, 1] }, 'systemd-analyze', 'verify', `${WAKE}etc.path`);
  assert.doesNotMatch(stderr, /qubes-qos/);
});

async function table(): Promise<string> {
  return (await shWith({ okCodes: [0, 1] }, 'nft', 'list', 'table', 'inet', 'qubes-qos-mangle')).stdout;
}

/** The number of the cgroup of the probe, another at each start. */
function cgroup(): string {
  return String(statSync(`/sys/fs/cgroup/system.slice/${PROBE}`).ino);
}

/** The numbers of the cgroups that our table means: nft shows a path where there is one of this number. */
async function cgroupsMeant(): Promise<string> {
  const meant = [...(await table()).matchAll(/cgroupv2 level \d+ "?([^" ]+)"? ip dscp/g)];
  return meant
    .map(([, path = '']) => (/^\d+$/.test(path) ? path : String(statSync(`/sys/fs/cgroup/${path}`).ino)))
    .join(' ');
}

/** The watches that there are, in order of name. */
async function watches(): Promise<string> {
  const list = await sh('systemctl', 'list-units', '--plain', '--no-legend', '--full', `${WAKE}*`);
  return list
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter(Boolean)
    .sort()
    .join(' ');
}

/** Until the waiter is the only process of the unit, and stays so. */
async function untilQuiet(): Promise<void> {
  const isQuiet = async () => (await commands()).join() === 'head';
  await until('it waits', isQuiet, PATIENCE_MS);
  await sleep(500);
  await until('it waits', isQuiet, PATIENCE_MS);
}
