// Checks the lab itself: that the guest is what users have, and that the little Qubes in it is like the big one: reachability,
// groups, routes, NAT, flowtable, simulators in place.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { check } from '../check.js';
import { inQube } from '../namespaces.js';
import { NIC, QUBES, SERVER } from '../qubes.js';
import { sh } from '../run.js';
import { startLab, type Lab } from '../topology.js';
import { replaceVif, startClient, stopClient } from '../vif.js';

let lab: Lab;

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
    'act_vlan',
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

check('the lab starts', async () => {
  lab = await startLab();
});

check('every qube reaches the server over IPv4 and IPv6', async () => {
  for (const { name } of QUBES) {
    await inQube(name, 'ping', '-c', '2', '-i', '0.2', '-W', '2', SERVER.ip);
    await inQube(name, 'ping', '-c', '2', '-i', '0.2', '-W', '2', SERVER.ip6);
  }
});

check('interfaces have the groups of Qubes: 2 on vifs, 1 on uplinks, 0 on the card', async () => {
  assert.deepEqual(await groups('sys-firewall'), { 'vif3.0': '2', 'vif4.0': '2', 'vif5.0': '2', eth0: '1' });
  assert.deepEqual(await groups('sys-net'), { 'vif2.0': '2', [NIC]: 'default' });
});

check('a client has a host route whose metric comes from its domain number', async () => {
  const [route] = JSON.parse(await inQube('sys-firewall', 'ip', '-j', 'route', 'show', '10.137.0.11')) as [
    { dev: string; metric: number },
  ];
  assert.deepEqual({ dev: route.dev, metric: route.metric }, { dev: 'vif3.0', metric: 32749 });
});

check('a feature that dom0 sets is in the QubesDB of the qube, and only there', () => {
  lab.machine.setFeature('work', 'vm-config.dscp', 'ef');
  assert.equal(Buffer.from(lab.qubesdb('work').read('/vm-config/dscp')!).toString(), 'ef');
  assert.equal(lab.qubesdb('personal').read('/vm-config/dscp'), undefined);
  lab.machine.removeFeature('work', 'vm-config.dscp');
  return Promise.resolve();
});

check('each qube sees its own sockets at the real paths, and no other', async () => {
  assert.match(await inQube('work', 'ls', '/run/qubes', '/var/run'), /qubesdb\.ro\.sock/);
  assert.doesNotMatch(await inQube('work', 'ls', '/var/run'), /qubesd\.sock/);
  assert.match(await inQube('dom0', 'ls', '/var/run'), /qubesd\.sock/);
});

check('a client that stops is gone with its vif, and can start again', async () => {
  await stopClient('untrusted');
  assert.deepEqual(await groups('sys-firewall'), { 'vif3.0': '2', 'vif4.0': '2', eth0: '1' });
  await startClient('untrusted');
  await inQube('untrusted', 'ping', '-c', '1', '-W', '2', SERVER.ip6);
});

check('a vif can be replaced under its name, as net.fake-ip does', async () => {
  const before = await ifindex('vif4.0');
  await replaceVif('personal');
  assert.notEqual(await ifindex('vif4.0'), before);
  await inQube('personal', 'ping', '-c', '1', '-W', '2', SERVER.ip);
});

async function groups(qube: string): Promise<Record<string, string>> {
  const links = JSON.parse(await inQube(qube, 'ip', '-j', 'link', 'show')) as {
    ifname: string;
    group: string;
  }[];
  return Object.fromEntries(
    links.filter((link) => link.ifname !== 'lo').map((link) => [link.ifname, link.group]),
  );
}

async function ifindex(device: string): Promise<number> {
  const [link] = JSON.parse(await inQube('sys-firewall', 'ip', '-j', 'link', 'show', 'dev', device)) as [
    { ifindex: number },
  ];
  return link.ifindex;
}
