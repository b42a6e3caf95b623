// Checks dom0's word along a chain of NetVMs, and while qubes come, go and change their netvm under load: what is forwarded
// before a NetVM has it in force is no better than cs0. By packets counted at sys-net's card.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { inDom0, startAgents, untilMarked, type Agents } from '../agents.js';
import { watchCard, type Seen } from '../card.js';
import { check } from '../check.js';
import { clientFeature, FAMILIES, flows, sendMix, untilEnforced } from '../first-hop.js';
import { grant } from '../grant.js';
import { createQube, disposeOf, moveClient, startQube, stopNetvm } from '../life.js';
import { inQube, inQubeWith, startInQube } from '../namespaces.js';
import { labQube } from '../qubes.js';
import { until, type Background } from '../run.js';
import { startLab, type Lab } from '../topology.js';
import { startClient } from '../vif.js';
import { PORT as TUNNEL_PORT, startTunnel, startVpnServer } from '../vpn.js';

const EF_DSCP = 46;
const CS1 = grant('cs1');
const EF = grant('ef');
const MIX = { packets: 60, intervalMs: 4 } as const;
const WG0 = { qube: 'sys-vpn', device: 'wg0' } as const;
const FILE = `[qubes.work]
class = "ef"
[qubes.untrusted]
class = "cs1"
[qubes.sys-vpn]
class = "cs2"
`;

let lab: Lab;
let agents: Agents;
let daemon: Background;

check('the classes of clients survive both hops, which believe dom0', async () => {
  lab = await startLab();
  await createQube(lab, {
    ...{ name: 'sys-vpn', number: 7, netvm: 'sys-firewall', providesNetwork: true, tags: ['qos-tunnel'] },
  });
  agents = await startAgents({ mangle: [] });
  writeFileSync('/lab/machine.toml', FILE);
  await inDom0('qvm-qos', 'apply', '/lab/machine.toml');
  await untilEnforced('sys-firewall', 'class=cs0 max=ef zero=keep');
  await untilEnforced('untrusted', CS1);
  await untilEnforced('work', EF);
  const { packets } = await seenWhile(20_000);
  for (const family of FAMILIES) {
    assert.deepEqual(packets(family, 20_000), { cs1: MIX.packets });
    assert.deepEqual(packets(family, 20_001), { cs0: MIX.packets });
    assert.deepEqual(packets(family, 20_002), { ef: MIX.packets });
  }
});

check(
  'a sys-firewall whose root marks everything EF gets what dom0 gave its clients, and no more',
  async () => {
    await inDom0('qvm-qos', 'unset', 'work');
    await untilEnforced('sys-firewall', '');
    const rules = `ip dscp set ${EF_DSCP}; ip6 dscp set ${EF_DSCP};`;
    // The only hook there that sees the packets of flows that are offloaded.
    const chain = `chain out { type filter hook egress device "eth0" priority 300; ${rules} }`;
    await inQubeWith({ stdin: `table netdev forged {\n${chain}\n}\n` }, 'sys-firewall', 'nft', '-f', '-');
    const [{ packets, bands }] = await Promise.all([
      seenWhile(20_010),
      sendMix('sys-firewall', flows(20_013, EF_DSCP), MIX),
    ]);
    for (const family of FAMILIES)
      for (const port of [20_010, 20_011, 20_012, 20_013])
        assert.deepEqual(packets(family, port), { cs0: MIX.packets }, `${family} ${port}`);
    assert.deepEqual([bands.ef, bands.cs5], [0, 0]);
    await inQube('sys-firewall', 'nft', 'delete', 'table', 'netdev', 'forged');
    await inDom0('qvm-qos', 'set', 'work', 'ef');
  },
);

check('a client that goes to another netvm under load is nowhere better than dom0 says', async () => {
  daemon = startInQube('dom0', 'qvm-qos', 'daemon');
  const seen = await watchCard();
  const sending = [
    sendMix('untrusted', flows(20_020, EF_DSCP), { packets: 1500, intervalMs: 8 }),
    sendMix('work', flows(20_021, 0), { packets: 1500, intervalMs: 8 }),
  ];
  const entries: Record<string, string | undefined>[] = [];
  for (const netvm of ['sys-net', 'sys-firewall']) {
    await moveClient(lab, 'untrusted', netvm);
    await moveClient(lab, 'work', netvm);
    await untilEnforced('untrusted', CS1);
    await untilEnforced('work', EF);
    const other = netvm === 'sys-net' ? 'sys-firewall' : 'sys-net';
    entries.push({ netvm, old: lab.machine.qube(other).features.get(clientFeature('untrusted')) });
    await sendMix('personal', flows(20_022, EF_DSCP), MIX);
  }
  await Promise.all(sending);
  const { packets } = await seen();
  const counted = FAMILIES.map((family) => [packets(family, 20_020), packets(family, 20_021)]);
  for (const [hostile, granted] of counted) {
    assertNoneBetter(hostile!);
    assert.ok(
      (granted!.ef ?? 0) > (granted!.cs0 ?? 0) && granted!.cs1 === undefined,
      JSON.stringify(counted),
    );
  }
  assert.deepEqual(entries, [
    { netvm: 'sys-net', old: undefined },
    { netvm: 'sys-firewall', old: undefined },
  ]);
  return counted;
});

check('a VPN qube: outside its own class only, inside the classes that dom0 gave its clients', async () => {
  await startQube(lab, 'sys-vpn');
  await startVpnServer();
  agents = new Map([
    ...agents,
    ['mangle in sys-vpn', startInQube('sys-vpn', 'qubes-qos-mangle', 'watch')],
    ['tc in sys-vpn', startInQube('sys-vpn', 'qubes-qos-tc', 'run')],
  ]);
  await untilMarked(agents, 'sys-vpn', 'cs2');
  await startTunnel('ip', 'sys-vpn');
  await moveClient(lab, 'untrusted', 'sys-vpn');
  await moveClient(lab, 'work', 'sys-vpn');
  await untilEnforced('untrusted', CS1);
  await untilEnforced('work', EF);
  assert.equal(told('sys-firewall', 'sys-vpn')?.replace(/ ip6.*/, ''), 'class=cs2 max=cs2 zero=keep');
  const [inside, outside] = [await watchCard(WG0), await watchCard()];
  await seenWhile(20_030, ['untrusted', 'work']);
  const [inner, outer] = [await inside(), await outside()];
  for (const family of FAMILIES) {
    assert.deepEqual(inner.packets(family, 20_030), { cs1: MIX.packets });
    assert.deepEqual(inner.packets(family, 20_032), { ef: MIX.packets });
  }
  const { cs2 = 0, ...others } = outer.packets('ip', TUNNEL_PORT);
  assert.ok(cs2 >= 4 * MIX.packets, `${cs2} packets of the tunnel`);
  assert.deepEqual(others, {}, 'the class of a client is not seen outside');
  for (const name of ['untrusted', 'work']) await moveClient(lab, name, 'sys-firewall');
});

check('disposable qubes under load have what dom0 gave them, and leave nothing behind', async () => {
  const before = await leftIn('sys-firewall');
  const load = sendMix('personal', flows(20_040, EF_DSCP), { packets: 1000, intervalMs: 8 });
  const seen = await watchCard();
  const classes = [{}, { 'vm-config.dscp': 'cs1' }, { 'vm-config.dscp': 'ef' }];
  for (const [index, features] of classes.entries()) {
    const name = `disp${index}`;
    await createQube(lab, { name, number: 100 + index, netvm: 'sys-firewall', features, class: 'DispVM' });
    const sending = sendMix(name, flows(20_041 + index, EF_DSCP), { packets: 300, intervalMs: 8 });
    await startQube(lab, name);
    await sending;
    await disposeOf(lab, name);
  }
  await load;
  const { packets } = await seen();
  const counted = FAMILIES.map((family) => [20_041, 20_042, 20_043].map((port) => packets(family, port)));
  for (const [none, cs1, ef] of counted) {
    assert.deepEqual(Object.keys(none!), ['cs0']);
    assertNoneBetter(cs1!);
    assert.ok(ef!.ef! > 0, JSON.stringify(counted));
  }
  for (const family of FAMILIES) assert.deepEqual(packets(family, 20_040), { cs0: 1000 });
  await until('nothing is left', async () => (await leftIn('sys-firewall')) === before, 20_000);
  assert.match(await inQube('sys-firewall', 'qubes-qos-tc', 'check'), /valid and in force/);
  return counted;
});

check(
  'a NetVM that restarts believes dom0 before it forwards a packet, with no service in dom0',
  async () => {
    await daemon.stop();
    const clients = ['untrusted', 'work', 'personal', 'sys-vpn'].map(labQube);
    await agents.get('tc in sys-firewall')!.stop();
    await stopNetvm(lab, 'sys-firewall', clients);
    const seen = await watchCard();
    const sending = sendMix('untrusted', flows(20_050, EF_DSCP), { packets: 1300, intervalMs: 8 });
    await startQube(lab, 'sys-firewall');
    const agent = startInQube('sys-firewall', 'qubes-qos-tc', 'run');
    // As the unit has it: Qubes' daemon for vifs starts when the agent is ready.
    await until('it is ready', async () =>
      (await inQube('sys-firewall', 'nft', 'list', 'tables')).includes('inet qubes-qos-tc'),
    );
    for (const { name } of clients) await startClient(name);
    await untilEnforced('untrusted', CS1);
    await sending;
    const { packets } = await seen();
    const counted = FAMILIES.map((family) => packets(family, 20_050));
    for (const one of counted) assertNoneBetter(one);
    await agent.stop();
    return counted;
  },
);

/** Sends from clients at the same time: root of `untrusted` and of `personal` marks EF, `work` nothing. */
async function seenWhile(
  port: number,
  from: readonly string[] = ['untrusted', 'personal', 'work'],
): Promise<Seen> {
  const seen = await watchCard();
  const mixes = ['untrusted', 'personal', 'work'].flatMap((name, index) =>
    from.includes(name) ? [sendMix(name, flows(port + index, name === 'work' ? 0 : EF_DSCP), MIX)] : [],
  );
  await Promise.all(mixes);
  return seen();
}

/** A qube that is cs1: cs0 until the NetVM has its filters in force, then cs1, and never anything else. */
function assertNoneBetter(seen: ReturnType<Seen['packets']>): void {
  const { cs1 = 0, cs0 = 0, ...others } = seen;
  assert.deepEqual(others, {}, JSON.stringify(seen));
  assert.ok(cs1 > cs0, JSON.stringify(seen));
}

function told(netvm: string, client: string): string | undefined {
  return lab.machine.qube(netvm).features.get(clientFeature(client));
}

/** All that a client could leave in a NetVM: filters, queues, devices, rules, and what dom0 says of it. */
async function leftIn(netvm: string): Promise<string> {
  const qdiscs = (await inQube(netvm, 'tc', 'qdisc', 'show')).split('\n').length;
  const links = await inQube(netvm, 'ip', '-br', 'link', 'show');
  const table = await inQube(netvm, 'nft', '-s', 'list', 'table', 'inet', 'qubes-qos-tc');
  const entries = [...lab.machine.qube(netvm).features.keys()].sort();
  return [qdiscs, links, table, ...entries].join('\n');
}
