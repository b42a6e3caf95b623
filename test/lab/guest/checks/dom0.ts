// Checks that what is typed in dom0 ends where it counts: in the QubesDB of the NetVM, and in force there and in the qube.
import assert from 'node:assert/strict';
import { inDom0 } from '../agents.js';
import { check } from '../check.js';
import { grant } from '../grant.js';
import { inQube, inQubeWith, startInQube } from '../namespaces.js';
import { labQube, vifName } from '../qubes.js';
import { until } from '../run.js';
import { startLab, type Lab } from '../topology.js';

let lab: Lab;

/** What the NetVM is told of a client. */
function told(netvm: string, client: string): string | undefined {
  return said(netvm, `/vm-config/qos.${labQube(client).ip}`);
}

function said(qube: string, path: string): string | undefined {
  const value = lab.qubesdb(qube).read(path);
  return value === undefined ? undefined : Buffer.from(value).toString();
}

async function marks(qube: string): Promise<string> {
  const options = { okCodes: [0, 1] };
  return (await inQubeWith(options, qube, 'nft', 'list', 'table', 'inet', 'qubes-qos-mangle')).stdout;
}

check('set: the NetVM is told of the qube, and the NetVM above of the NetVM', async () => {
  lab = await startLab();
  startInQube('work', 'qubes-qos-mangle', 'watch');
  startInQube('sys-firewall', 'qubes-qos-tc', 'run');
  await inDom0('qvm-qos', 'set', 'work', 'ef');
  const [work, firewall] = [labQube('work'), labQube('sys-firewall')];
  assert.equal(told('sys-firewall', 'work'), `${grant('ef')} ip6=${work.ip6}`);
  assert.equal(told('sys-net', 'sys-firewall'), `class=cs0 max=ef zero=keep ip6=${firewall.ip6}`);
  for (const netvm of ['sys-firewall', 'sys-net']) assert.equal(said(netvm, '/vm-config/qos-enforce'), '1');
});

check('limit: the NetVM polices the vif of the qube', async () => {
  await inDom0('qvm-qos', 'limit', 'personal', '--up', '2mbit');
  const vif = vifName(labQube('personal'));
  const filters = (): Promise<string> =>
    inQube('sys-firewall', 'tc', 'filter', 'show', 'dev', vif, 'ingress');
  await until('the limit is in force', async () => (await filters()).includes('2Mbit'), 60_000);
  await inDom0('qvm-qos', 'limit', 'personal', '--none');
  assert.equal(told('sys-firewall', 'personal'), undefined);
  await until('the limit is gone', async () => !(await filters()).includes('2Mbit'), 60_000);
});

check('policy: the qube marks by it where it has no class of its own', async () => {
  await inDom0('qvm-qos', 'policy', 'create', 'calls', '--class', 'cs5');
  await inDom0('qvm-qos', 'policy', 'attach', 'calls', 'work');
  await until('work marks ef', async () => (await marks('work')).includes('dscp set ef'), 60_000);
  await inDom0('qvm-qos', 'unset', 'work');
  await until('work marks cs5', async () => (await marks('work')).includes('dscp set cs5'), 60_000);
  assert.match(told('sys-firewall', 'work') ?? '', /^class=cs5 max=cs5 /);
  await inDom0('qvm-qos', 'policy', 'delete', 'calls');
  await until('work marks nothing', async () => !(await marks('work')).includes('dscp'), 60_000);
  assert.equal(told('sys-firewall', 'work'), undefined);
});

check('the service follows what others set', async () => {
  const service = startInQube('dom0', 'qvm-qos', 'daemon');
  lab.machine.setFeature('untrusted', 'vm-config.dscp', 'cs1');
  await until(
    'the NetVM is told',
    () => Promise.resolve(told('sys-firewall', 'untrusted') !== undefined),
    60_000,
  );
  lab.machine.removeFeature('untrusted', 'vm-config.dscp');
  await until(
    'it is taken back',
    () => Promise.resolve(told('sys-firewall', 'untrusted') === undefined),
    60_000,
  );
  await service.stop();
});
