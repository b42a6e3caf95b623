// Checks that systemd runs the guest as it runs a qube: as process 1, with units that work.
import assert from 'node:assert/strict';
import { check } from '../check.js';
import { sh, shWith } from '../run.js';

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
