// Checks that systemd runs the guest as it runs a qube, as process 1; and that the unit of dom0 does under it what it
// promises: it follows the machine as a user of the group qubes, over a restart of qubesd too, and leaves what is told when it
// stops.
import assert from 'node:assert/strict';
import { chownSync, chmodSync } from 'node:fs';
import { MachineModel } from '../../../sim/machine.js';
import { Qubesd } from '../../../sim/qubesd.js';
import { check } from '../check.js';
import { grant } from '../grant.js';
import { sh, shWith, until } from '../run.js';

const UNIT = 'qubes-qos-dom0.service';
const SOCKET = '/run/qubesd.sock';
const ENTRY = 'vm-config.qos.10.137.0.11';

const machine = new MachineModel({
  qubes: [
    { name: 'sys-net', netvm: null, providesNetwork: true, ip: '10.137.0.5' },
    { name: 'work', netvm: 'sys-net', ip: '10.137.0.11' },
  ],
});
let qubesd: Qubesd;

async function property(name: string): Promise<string> {
  return (await sh('systemctl', 'show', '--value', `--property=${name}`, UNIT)).trim();
}

/** Serves as the real one does: to root and the group qubes. */
async function serve(): Promise<void> {
  qubesd = await Qubesd.listen(SOCKET, machine);
  const group = Number((await sh('getent', 'group', 'qubes')).split(':')[2]);
  chownSync(SOCKET, 0, group);
  chmodSync(SOCKET, 0o660);
}

async function untilTold(what: string | undefined): Promise<void> {
  const entry = (): string | undefined => machine.qube('sys-net').features.get(ENTRY);
  await until(`the NetVM is told ${what ?? 'nothing'}`, () => entry() === what, 60_000);
}

check('systemd 257 is process 1', async () => {
  assert.equal((await sh('ps', '-o', 'comm=', '-p', '1')).trim(), 'systemd');
  assert.match(await sh('systemctl', '--version'), /^systemd 257 /);
});

check('no unit of the guest has failed', async () => {
  assert.equal(await sh('systemctl', 'list-units', '--failed', '--no-legend', '--plain'), '');
});

check('a unit can be started, seen and stopped', async () => {
  await sh('systemd-run', '--unit=probe', 'sleep', 'infinity');
  assert.equal((await sh('systemctl', 'is-active', 'probe')).trim(), 'active');
  await sh('systemctl', 'stop', 'probe');
  const after = await shWith({ okCodes: [3, 4] }, 'systemctl', 'is-active', 'probe');
  assert.equal(after.stdout.trim(), 'inactive');
});

check('in a qube that is not dom0 it does not start', async () => {
  await sh('systemctl', 'start', UNIT);
  assert.equal(await property('ActiveState'), 'inactive');
});

check('it is ready when all is told, and follows', async () => {
  await sh('groupadd', '--force', '--system', 'qubes');
  await serve();
  machine.setFeature('work', 'vm-config.dscp', 'ef');
  await sh('systemctl', 'start', UNIT);
  assert.equal(await property('ActiveState'), 'active');
  await untilTold(grant('ef'));
  assert.match(await property('StatusText'), /^\d clients? told to \d NetVMs$/);
  machine.setFeature('work', 'vm-config.dscp', 'cs1');
  await untilTold(grant('cs1'));
});

check('a restart of qubesd: it stays, and finds what changed meanwhile', async () => {
  const pid = await property('MainPID');
  await qubesd.close();
  machine.setFeature('work', 'vm-config.dscp', 'cs5');
  await serve();
  await untilTold(grant('cs5'));
  assert.equal(await property('MainPID'), pid);
});

check('a stop ends it and leaves what is told; its journal has no fault of the unit', async () => {
  await sh('systemctl', 'stop', UNIT);
  assert.equal(await property('Result'), 'success');
  assert.equal(machine.qube('sys-net').features.get(ENTRY), grant('cs5'));
  const options = { okCodes: [0, 1] };
  const { stdout } = await shWith(
    options,
    'journalctl',
    '-u',
    UNIT,
    '-p',
    'warning',
    '-o',
    'cat',
    '--no-pager',
  );
  assert.doesNotMatch(stdout, /permission|cannot|denied/i);
  const exposure = await sh('systemd-analyze', 'security', '--no-pager', UNIT);
  const [, level] = /exposure level for \S+: ([\d.]+)/.exec(exposure) ?? [];
  assert.ok(Number(level) <= 2, exposure.slice(-200));
  await qubesd.close();
});
