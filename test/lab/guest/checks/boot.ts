// Checks that the guest is what users have: the versions the suite is written for, and time that repeats.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { check } from '../check.js';
import { sh } from '../run.js';

check('the guest has the kernel, nft, iproute2 and Node of Debian 13', async () => {
  const versions = {
    kernel: (await sh('uname', '-r')).trim(),
    nft: (await sh('nft', '--version')).trim(),
    iproute2: (await sh('ip', '-V')).trim(),
    node: process.version,
  };
  assert.match(versions.kernel, /^6\.12\./);
  assert.match(versions.nft, /v1\.1\./);
  assert.match(versions.iproute2, /iproute2-6\.15\./);
  assert.match(versions.node, /^v20\./);
  return versions;
});

check('the kernel has every qdisc, classifier and action of the design', async () => {
  const modules = [
    'sch_htb',
    'sch_ets',
    'sch_cake',
    'sch_prio',
    'sch_fq_codel',
    'sch_netem',
    'sch_ingress',
    'cls_u32',
  ];
  await sh(
    'modprobe',
    '-a',
    ...modules,
    'cls_flower',
    'cls_matchall',
    'act_police',
    'act_mirred',
    'act_pedit',
    'act_csum',
    'act_ctinfo',
    'nf_flow_table',
    'nft_masq',
    'veth',
    'ifb',
    'wireguard',
  );
});

check('every program of the suite that is built is installed where Qubes has it', () => {
  const missing = ['qubes-qos-mangle', 'qubes-qos-tc', 'qvm-qos'].filter(
    (name) => !existsSync(`/usr/bin/${name}`),
  );
  assert.deepEqual(missing, []);
  return Promise.resolve();
});
