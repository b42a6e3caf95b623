// Checks of the built qubes-qos-tc on a real kernel: what it builds, repairs, leaves alone, and gives back.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { QubesDb } from '../../../sim/qubesdb.js';
import { check } from '../check.js';
import { sh, shWith, type ShResult } from '../run.js';

const SETTINGS = '/rw/config/qubes-qos';
let db: QubesDb;

/** Runs the agent; its exit code is part of what is checked. */
async function agent(...args: string[]): Promise<ShResult> {
  return shWith({ okCodes: [0, 1, 2] }, 'qubes-qos-tc', ...args);
}

async function roots(): Promise<Record<string, string>> {
  const qdiscs = JSON.parse(await sh('tc', '-j', 'qdisc', 'show')) as {
    kind: string;
    handle: string;
    dev: string;
    root?: boolean;
  }[];
  return Object.fromEntries(
    qdiscs.filter(({ root }) => root).map(({ dev, kind, handle }) => [dev, `${kind} ${handle}`]),
  );
}

async function addVif(domid: number): Promise<void> {
  await sh('ip', 'link', 'add', `vif${domid}.0`, 'type', 'veth', 'peer', 'name', `qube${domid}`);
  await sh('ip', 'link', 'set', `qube${domid}`, 'up');
  await sh('ip', 'link', 'set', `vif${domid}.0`, 'group', '2', 'up');
}

function settings(toml: string): void {
  mkdirSync(SETTINGS, { recursive: true });
  writeFileSync(`${SETTINGS}/tc.toml`, toml);
}

check('a NetVM: a NIC with a default route, two vifs, a QubesDB', async () => {
  db = await QubesDb.listen('/run/qubes');
  await sh('ip', 'link', 'add', 'ens6', 'type', 'dummy');
  await sh('ip', 'link', 'set', 'ens6', 'up');
  await sh('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'ens6');
  await sh('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
  await addVif(3);
  await addVif(4);
});

check('without a rate: bands everywhere, and it says that they do not shorten delay', async () => {
  const { exitCode, stdout } = await agent('apply');
  assert.equal(stdout, 'changed ens6, vif3.0, vif4.0: ens6 ets+cake without a shaper, 2 vifs ets+fq_codel\n');
  assert.equal(exitCode, 0);
  assert.deepEqual(await roots(), {
    lo: 'noqueue 0:',
    ens6: 'ets 51:',
    'vif3.0': 'ets 51:',
    'vif4.0': 'ets 51:',
    qube3: 'noqueue 0:',
    qube4: 'noqueue 0:',
  });
  assert.match(
    (await agent('status')).stdout,
    /bands without a shaper do not shorten delay; in dom0: qvm-qos uplink/,
  );
});

check('the rate of dom0 builds the shaper, a new rate changes its class in place', async () => {
  db.write('/vm-config/qos-uplink', 'up=10mbit');
  assert.match((await agent('apply')).stdout, /^changed ens6: ens6 htb\+ets\+cake at 9500kbit/);
  assert.equal((await roots())['ens6'], 'htb 61:');
  db.write('/vm-config/qos-uplink', 'up=20mbit');
  assert.match((await agent('apply')).stdout, /^changed ens6: ens6 htb\+ets\+cake at 19mbit/);
  assert.equal((await roots())['ens6'], 'htb 61:');
  assert.match(await sh('tc', 'class', 'show', 'dev', 'ens6'), /rate 19Mbit ceil 19Mbit/);
});

check('a second run changes nothing: counters stay, and so does every qdisc', async () => {
  await sh('ping', '-c', '1', '-W', '1', '-Q', '0xb8', '192.0.2.9').catch(() => undefined);
  const before = await sh('tc', '-s', 'qdisc', 'show');
  assert.equal(
    (await agent('apply')).stdout,
    'nothing to change: ens6 htb+ets+cake at 19mbit, 2 vifs ets+fq_codel\n',
  );
  assert.equal(await sh('tc', '-s', 'qdisc', 'show'), before);
});

/** Shell words after which something of ours is wrong, a device each; $s is the side that the interface's tree is on. */
const DAMAGE: readonly Readonly<Record<string, readonly [what: string, command: string]>>[] = [
  {
    ens6: ['the IPv6 filters of the line', 'filter delete dev ens6 parent ${s}2: protocol ipv6 pref 2'],
    'vif3.0': ['a leaf', 'qdisc delete dev vif3.0 parent ${s}1:2'],
    'vif4.0': ['the whole tree', 'qdisc delete dev vif4.0 root'],
  },
  {
    ens6: ['the rate', 'class change dev ens6 parent ${s}1: classid ${s}1:1 htb rate 1mbit'],
    'vif3.0': ['the IPv4 filters', 'filter delete dev vif3.0 parent ${s}1: protocol ip pref 1'],
    'vif4.0': [
      'the target of a filter',
      'filter replace dev vif4.0 parent ${s}1: protocol ip pref 1 handle 800::1 u32 match ip dsfield 0xb8 0xfc flowid ${s}1:5',
    ],
  },
  {
    'vif4.0': [
      'a parameter of a leaf',
      'qdisc change dev vif4.0 parent ${s}1:1 handle ${s}10: fq_codel target 1ms',
    ],
  },
];

for (const damage of DAMAGE) {
  const what = Object.values(damage).map(([name]) => name);
  check(`repairs ${what.join(', ')} that somebody changed, and then rests`, async () => {
    for (const [dev, [, command]] of Object.entries(damage)) {
      const side = `s=$(tc qdisc show dev ${dev} | sed -nE 's/^qdisc [a-z]+ ([56])1: root.*/\\1/p')`;
      await sh('bash', '-c', `${side}; tc ${command}`);
    }
    const { stdout } = await agent('apply');
    assert.ok(stdout.startsWith(`changed ${Object.keys(damage).join(', ')}: `), stdout);
    assert.match((await agent('apply')).stdout, /^nothing to change/);
  });
}

check('check sees what is not as it should be, and changes nothing', async () => {
  assert.equal((await agent('check')).exitCode, 0);
  await sh('tc', 'qdisc', 'delete', 'dev', 'vif4.0', 'root');
  const { exitCode, stderr } = await agent('check');
  assert.equal(
    stderr,
    'qubes-qos-tc: vif4.0: what is in force is not what the settings say; qubes-qos-tc apply repairs it.\n',
  );
  assert.equal(exitCode, 1);
  const json = JSON.parse((await agent('check', '--json')).stdout) as unknown;
  assert.deepEqual(json, {
    version: 1,
    isRight: false,
    problems: [stderr.replace('qubes-qos-tc: ', '').trimEnd()],
  });
  assert.equal((await roots())['vif4.0'], 'noqueue 0:');
});

check('leaves a foreign root qdisc alone and reports it, unless takeover is set', async () => {
  await sh('tc', 'qdisc', 'replace', 'dev', 'vif4.0', 'root', 'fq_codel');
  const foreign = (await roots())['vif4.0'];
  const { exitCode, stderr } = await agent('apply');
  assert.match(stderr, /vif4\.0: its root qdisc fq_codel 8\d+: was set by somebody else and is left alone/);
  assert.equal(exitCode, 1);
  assert.equal((await roots())['vif4.0'], foreign);
  settings('takeover = true\n');
  assert.equal((await agent('apply')).exitCode, 0);
  assert.equal((await roots())['vif4.0'], 'ets 51:');
  rmSync(SETTINGS, { recursive: true });
});

check('a wrong file is named with key, found and expected; what is in force stays', async () => {
  settings('[line]\nup = "5kbps"\nspeed = 3\n');
  const before = await sh('tc', 'qdisc', 'show');
  const { exitCode, stderr } = await agent('apply');
  assert.equal(exitCode, 1);
  assert.match(
    stderr,
    /tc\.toml:\d+: line\.up: rate "5kbps": expected .* are bytes.*; unknown key "speed" in \[line\]/,
  );
  settings('[line\n');
  assert.match((await agent('apply')).stderr, /tc\.toml:1: /);
  assert.equal(await sh('tc', 'qdisc', 'show'), before);
  rmSync(SETTINGS, { recursive: true });
});

check('garbage from dom0 keeps the last good rate, even of an earlier run', async () => {
  for (const garbage of ['up=fast', 'ef; flush ruleset', 'up=1mbit up=2mbit', '\n', 'up=\xff']) {
    db.write('/vm-config/qos-uplink', Buffer.from(garbage, 'latin1'));
    const { exitCode, stderr, stdout } = await agent('apply');
    assert.match(stdout, /^nothing to change: ens6 htb\+ets\+cake at 19mbit/, garbage);
    assert.match(stderr, /vm-config\.qos-uplink: .*The last good value, .*, stays in force/, garbage);
    assert.equal(exitCode, 1);
  }
  db.write('/vm-config/qos-uplink', 'up=20mbit');
  assert.equal((await agent('apply')).exitCode, 0);
});

check('a vif that vanishes between observe and apply costs the others nothing', async () => {
  await addVif(5);
  await addVif(6);
  await addVif(7);
  intercept('[ "$*" = "-force -batch -" ] && ip link delete vif6.0');
  const { exitCode, stderr } = await agent('apply');
  restoreTc();
  assert.equal(stderr, '');
  assert.equal(exitCode, 0);
  const now = await roots();
  assert.deepEqual([now['vif5.0'], now['vif6.0'], now['vif7.0']], ['ets 51:', undefined, 'ets 51:']);
});

check('a script that the kernel refuses half-way leaves every interface what it had', async () => {
  const before = await roots();
  await addVif(8);
  db.write('/vm-config/qos-uplink', 'up=40mbit');
  db.write('/vm-config/qos-enforce', '1');
  // The shaper's class and one leaf never arrive as they were meant.
  intercept(
    '[ "$*" = "-force -batch -" ] && { sed -E "s/classid (.)1:1 htb rate 38/classid \\11:1 htb rate x/; s/parent (.)1:3 handle/parent \\17:3 handle/" | /usr/sbin/tc.real "$@"; exit; }',
  );
  const { exitCode, stderr } = await agent('apply');
  restoreTc();
  assert.equal(exitCode, 1);
  assert.match(stderr, /ens6: tc refused "class replace dev ens6 .*": .*; it has what it had before/);
  assert.match(stderr, /vif8\.0: tc refused .*; it has what it had before/);
  const now = await roots();
  assert.equal(now['vif8.0'], 'noqueue 0:');
  assert.match(now['ens6'] ?? '', /^htb/);
  assert.match(await sh('tc', 'class', 'show', 'dev', 'ens6'), /rate 19Mbit/);
  assert.equal(now['vif3.0'], before['vif3.0']);
  // What dom0 says of a client is in force all the same.
  const filters = await sh('tc', 'filter', 'show', 'dev', 'vif8.0', 'ingress');
  assert.equal(filters.match(/ pref 513[01] matchall chain 0 handle /g)?.length, 2, filters);
  assert.match((await agent('apply')).stdout, /^changed ens6, vif8.0: ens6 htb\+ets\+cake at 38mbit/);
});

check('tc missing: one sentence, nothing changed', async () => {
  await sh('mv', '/usr/sbin/tc', '/usr/sbin/tc.away');
  const { exitCode, stderr } = await agent('apply');
  await sh('mv', '/usr/sbin/tc.away', '/usr/sbin/tc');
  assert.equal(
    stderr,
    'qubes-qos-tc: error: cannot run tc: no such program; install the package that has it.\n',
  );
  assert.equal(exitCode, 1);
});

check('QubesDB out of reach: what dom0 said last counts on, and it is said', async () => {
  await db.close();
  const { exitCode, stdout, stderr } = await agent('apply');
  assert.match(stdout, /^nothing to change: ens6 htb\+ets\+cake at 38mbit/);
  assert.match(stderr, /cannot reach QubesDB/);
  assert.equal(exitCode, 1);
  db = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/qos-uplink': 'up=40mbit' } });
});

check('without cake, then without ets: the next best tree, and it says so', async () => {
  await agent('cleanup');
  await hideModule('sch_cake');
  assert.match((await agent('apply')).stdout, /ens6 htb\+ets\+fq_codel at 38mbit/);
  assert.match((await agent('status')).stdout, /this kernel lacks cake: htb\+ets\+fq_codel instead/);
  assert.match((await agent('apply')).stdout, /^nothing to change/);
  await agent('cleanup');
  await hideModule('sch_ets');
  const { stdout, exitCode } = await agent('apply');
  assert.match(stdout, /ens6 htb\+fq_codel at 38mbit, 5 vifs prio\+fq_codel/);
  assert.equal(exitCode, 0);
  assert.match((await agent('apply')).stdout, /^nothing to change/);
  assert.match((await agent('status')).stdout, /this kernel lacks ets and cake: htb\+fq_codel instead/);
});

check('cleanup removes what is ours, nothing else, and a second one says so', async () => {
  await sh('tc', 'qdisc', 'replace', 'dev', 'qube3', 'root', 'handle', '1:', 'prio');
  await sh('tc', 'qdisc', 'add', 'dev', 'vif3.0', 'clsact');
  assert.match((await agent('cleanup')).stdout, /^removed from ens6, vif3\.0/);
  assert.equal((await agent('cleanup')).stdout, 'nothing to remove\n');
  const now = await roots();
  assert.deepEqual([now['ens6'], now['vif3.0'], now['qube3']], ['noqueue 0:', 'noqueue 0:', 'prio 1:']);
  assert.match(await sh('tc', 'qdisc', 'show', 'dev', 'vif3.0'), /clsact/);
  await db.close();
});

/** Puts a shell script in the place of tc; the tool itself is /usr/sbin/tc.real. */
function intercept(script: string): void {
  renameSync('/usr/sbin/tc', '/usr/sbin/tc.real');
  writeFileSync('/usr/sbin/tc', `#!/bin/bash\n${script}\nexec /usr/sbin/tc.real "$@"\n`, { mode: 0o755 });
}

function restoreTc(): void {
  renameSync('/usr/sbin/tc.real', '/usr/sbin/tc');
}

async function hideModule(name: string): Promise<void> {
  await shWith({ okCodes: [0, 1] }, 'modprobe', '-r', name);
  await sh('bash', '-c', `rm $(modinfo -n ${name}) && depmod`);
}
