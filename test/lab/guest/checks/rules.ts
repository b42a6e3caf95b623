// Checks that rules inside a qube hold for real packets on the users' kernel and nft, and at sys-net's card.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, rmdirSync } from 'node:fs';
import { QubesDb } from '../../../sim/qubesdb.js';
import { startAgents, stopAgents, untilMarked, type Agents } from '../agents.js';
import { makeUplink, tosOf, type Sending } from '../capture.js';
import { check } from '../check.js';
import { counters } from '../measure.js';
import { enter, inQube, startInQube } from '../namespaces.js';
import { labQube, SERVER, SWALLOW_PORT } from '../qubes.js';
import { sh, shWith, sleep, until } from '../run.js';
import { startLab, type Lab } from '../topology.js';
import type { Family } from '../traffic.js';

const FAMILIES: readonly Family[] = ['ip', 'ip6'];
const BANDS = ['ef', 'cs5', 'cs0', 'cs2', 'cs1'] as const;
const TOS = { ef: 0xb8, cs5: 0xa0, cs0: 0, cs2: 0x40, cs1: 0x20 } as const;

/** Debian's own account of this name. */
const BACKUP = 34;

let qubesdb: QubesDb;

check('the qube has an uplink and a QubesDB', async () => {
  qubesdb = await QubesDb.listen('/run/qubes');
  await makeUplink();
});

check('a rule for a user in an ef qube: what they send leaves with DSCP 0, all else with 46', async () => {
  qubesdb.write('/vm-config/dscp', 'ef');
  qubesdb.write('/vm-config/qos-rules', 'user:backup -> cs0');
  await sh('qubes-qos-mangle', 'apply');
  for (const protocol of ['udp', 'tcp'] as const) {
    await leaves({ protocol, uid: BACKUP, tos: 0x68 }, 'cs0');
    await leaves({ protocol, tos: 0x68 }, 'ef');
  }
  assert.deepEqual(await tosOf('loopback', { uid: BACKUP, tos: 0x68 }), [0x68]);
});

check('ports, groups and destinations; the first that matches counts', async () => {
  await apply('group:audio,udp/6000 -> cs5; udp/6000-6010 -> cs1; tcp -> cs2; to:fd09::/64 -> cs5');
  await leaves({ port: 6000, gid: 29 }, 'cs5');
  await leaves({ port: 6000 }, 'cs1');
  await leaves({ port: 6010 }, 'cs1');
  await leaves({ protocol: 'tcp', port: 6000 }, 'cs2');
  assert.deepEqual(await tosOf('ip', { port: 6011 }), [TOS.ef]);
  assert.deepEqual(await tosOf('ip6', { port: 6011 }), [TOS.cs5]);
  await apply('to:10.9.0.2 -> cs1; icmp -> cs2');
  assert.deepEqual(await tosOf('ip', { protocol: 'icmp' }), [TOS.cs1]);
  assert.deepEqual(await tosOf('ip6', { protocol: 'icmp' }), [TOS.cs2]);
  assert.deepEqual(await tosOf('ip6'), [TOS.ef]);
});

check('a mark of the socket, and one that the user sets in a table of their own before', async () => {
  await apply('mark:0x10/0xf0 -> cs1; mark:7 -> cs5');
  await leaves({ mark: 0x15 }, 'cs1');
  await leaves({ mark: 7 }, 'cs5');
  await leaves({ mark: 0x107 }, 'ef');
  for (const hook of ['type route hook output priority mangle', 'type filter hook output priority filter']) {
    const script = `table inet theirs {\nchain out {\n${hook};\nudp dport 6000 meta mark set 7\n}\n}\n`;
    await shWith({ stdin: script }, 'nft', '-f', '-');
    await leaves({ port: 6000 }, 'cs5');
    await sh('nft', 'delete', 'table', 'inet', 'theirs');
  }
});

check('without a class, packets that no rule matches leave as programs set them', async () => {
  qubesdb.remove('/vm-config/dscp');
  await apply('user:backup -> cs1');
  await leaves({ uid: BACKUP }, 'cs1');
  assert.deepEqual(await tosOf('ip', { tos: 0x68 }), [0x68]);
  assert.deepEqual(await tosOf('ip6', { tos: 0x68 }), [0x68]);
  assert.match(await sh('qubes-qos-mangle', 'status'), /others leave as they are\nas it should be {2}yes\n/);
});

check('a user that there is not costs its rule only, and counts once there is one', async () => {
  const { stderr } = await apply('user:carol -> cs5; user:backup -> cs1');
  assert.match(
    stderr,
    /Rule "user:carol -> cs5" does not count now: there is no user "carol" in this qube\./,
  );
  await leaves({ uid: BACKUP }, 'cs1');
  appendFileSync('/etc/passwd', 'carol:x:4242:4242::/nonexistent:/usr/sbin/nologin\n');
  assert.match(await sh('qubes-qos-mangle', 'status'), /as it should be {2}no\n/);
  await sh('qubes-qos-mangle', 'apply');
  await leaves({ uid: 4242 }, 'cs5');
});

check('a cgroup and those below it; one that is not there costs its rule only', async () => {
  await apply('cgroup:jobs -> cs1; tcp -> cs2');
  await leaves({ protocol: 'tcp' }, 'cs2');
  mkdirSync('/sys/fs/cgroup/jobs/night', { recursive: true });
  await sh('qubes-qos-mangle', 'apply');
  await leaves({ cgroup: 'jobs' }, 'cs1');
  await leaves({ cgroup: 'jobs/night' }, 'cs1');
  rmdirSync('/sys/fs/cgroup/jobs/night');
  rmdirSync('/sys/fs/cgroup/jobs');
  assert.match(
    await sh('qubes-qos-mangle', 'status'),
    /as it should be {2}no\nproblem {10}Rule "cgroup:jobs -> cs1" does not count now: there is no cgroup "jobs"\./,
  );
});

check('nft reads back exactly what was written for every kind of match, and takes 64 rules', async () => {
  const cgroup = String.raw`night.slice/a\x2db@1:2.service`;
  mkdirSync(`/sys/fs/cgroup/${cgroup}`, { recursive: true });
  const all = [
    'user:root,group:0,to:0.0.0.0/0,mark:0 -> ef',
    'to:::/0,mark:0x80000000/0x80000000 -> ef',
    'user:4294967294,to:10.1.2.3,tcp/1-65535 -> cs5',
    'to:::ffff:10.0.0.0/104,udp/1 -> cs2',
    'sctp -> cs1',
    'dccp/5-6 -> cs1',
    'icmp -> cs0',
    `cgroup:${cgroup},sctp/7 -> cs1`,
    'unit:night.slice -> cs1',
    ...Array.from({ length: 55 }, (_, index) => `user:backup,udp/${index + 1} -> cs1`),
  ];
  await apply(all.join('; '));
  const before = await sh('nft', '-a', 'list', 'ruleset');
  const second = await shWith({}, 'qubes-qos-mangle', 'apply');
  assert.match(second.stderr, /has 64 rules.*\(as before\)/);
  assert.doesNotMatch(second.stderr, /does not count/);
  assert.equal(await sh('nft', '-a', 'list', 'ruleset'), before);
  assert.match(before, /level 2 "night\.slice\/a\\x2db@1:2\.service"/);
});

check('a typing error keeps the last valid rules, an empty value takes them away', async () => {
  await apply('user:backup -> cs1');
  qubesdb.write('/vm-config/qos-rules', 'user:backup -> cs9');
  const { exitCode, stderr } = await shWith({ okCodes: [1] }, 'qubes-qos-mangle', 'apply');
  assert.equal(exitCode, 1);
  assert.match(stderr, /class "cs9": expected ef.*the last valid rules of this boot stay/);
  await leaves({ uid: BACKUP }, 'cs1');
  qubesdb.write('/vm-config/qos-policy-rules', 'user:backup -> cs2');
  qubesdb.remove('/vm-config/qos-rules');
  await sh('qubes-qos-mangle', 'apply');
  await leaves({ uid: BACKUP }, 'cs2');
  await apply('');
  assert.equal(await sh('nft', 'list', 'ruleset'), '');
  await qubesdb.close();
});

let lab: Lab;
let agents: Agents;

check('at sys-net: a rule `backup -> cs0` in an ef qube stays cs0, all else of it is ef', async () => {
  lab = await startLab();
  lab.machine.setFeature('work', 'vm-config.dscp', 'ef');
  lab.machine.setFeature('work', 'vm-config.qos-rules', 'user:backup -> cs0');
  lab.machine.setFeature('sys-firewall', `vm-config.qos.${labQube('work').ip}`, 'class=ef max=ef zero=keep');
  lab.machine.setFeature('sys-firewall', 'vm-config.qos-enforce', '1');
  agents = await startAgents({ mangle: ['work'] });
  await untilMarked(agents, 'work', 'ef');
  await until('dom0 is believed', async () =>
    (await inQube('sys-firewall', 'qubes-qos-tc', 'status')).includes('dom0 says'),
  );
  for (const family of FAMILIES) {
    assert.deepEqual(Object.keys(await bandsOf(() => sendUdp(family, 'backup'))), ['cs0'], family);
    assert.deepEqual(Object.keys(await bandsOf(() => sendUdp(family, 'root'))), ['ef'], family);
  }
});

for (const family of FAMILIES) {
  check(`${family}: what a program wrote before it closed its connection and ended is cs0 too`, async () => {
    const sink = startInQube('internet', 'python3', '-c', SINK, SERVER[family]);
    await sleep(1000);
    const bands = await bandsOf(() => sendAndEnd(family, 'backup'));
    await sink.stop();
    assert.deepEqual(Object.keys(bands), ['cs0']);
    return bands;
  });
}

check('the agents stop', async () => {
  await stopAgents(agents);
});

async function apply(rules: string): ReturnType<typeof shWith> {
  qubesdb.write('/vm-config/qos-rules', rules);
  return shWith({}, 'qubes-qos-mangle', 'apply');
}

/** Both families leave with the DSCP of this class. */
async function leaves(sending: Sending, className: keyof typeof TOS): Promise<void> {
  for (const family of FAMILIES)
    assert.deepEqual(await tosOf(family, sending), [TOS[className]], `${family} ${JSON.stringify(sending)}`);
}

const TCP_PORT = 7700;
const BYTES = 300_000;

const SINK = `
import socket, sys
s = socket.create_server((sys.argv[1], ${TCP_PORT}), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
while True:
    c = s.accept()[0]
    while c.recv(65536): pass
`;

const SEND_AND_END = `
import socket, sys
s = socket.create_connection((sys.argv[1], ${TCP_PORT}))
s.sendall(bytes(${BYTES}))
`;

async function sendAndEnd(family: Family, user: string): Promise<void> {
  await sh(...enter('work'), ...as(user), 'python3', '-c', SEND_AND_END, SERVER[family]);
  // What is left in the buffer of the socket takes its time.
  await sleep(3000);
}

async function sendUdp(family: Family, user: string): Promise<void> {
  const from = BigInt(Date.now()) * 1_000_000n + 500_000_000n;
  const probe = ['probe', SERVER[family], SWALLOW_PORT, from, 400, 1_000_000n, 160].map(String);
  await sh(...enter('work'), ...as(user), 'python3', '/lab/traffic.py', ...probe);
}

function as(user: string): string[] {
  return ['setpriv', `--reuid=${user}`, '--clear-groups'];
}

/** The bands of sys-net's card that carried it, and their bytes. */
async function bandsOf(send: () => Promise<void>): Promise<Record<string, number>> {
  const before = await counters();
  await send();
  await sleep(300);
  const after = await counters();
  const rose = after.bands.map((bytes, band) => bytes - before.bands[band]!);
  // Neighbour discovery is in the default band.
  return Object.fromEntries(
    BANDS.map((name, band) => [name, rose[band]!] as const).filter(([, bytes]) => bytes > 4000),
  );
}
