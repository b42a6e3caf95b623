// Checks that dom0's word holds at the first hop, whatever a qube says of itself: by packets counted at sys-net's card.
import assert from 'node:assert/strict';
import { startAgents, stopAgents, untilMarked, type Agents } from '../agents.js';
import { watchCard } from '../card.js';
import { check } from '../check.js';
import {
  bandsOfFlow,
  clientFeature,
  enforce,
  FAMILIES,
  flows,
  marksAsItsRootLikes,
  sendMix,
  untilEnforced,
  type Flow,
} from '../first-hop.js';
import { grant } from '../grant.js';
import { counters } from '../measure.js';
import { inQube, inQubeWith } from '../namespaces.js';
import { until } from '../run.js';
import { startLab, type Lab } from '../topology.js';

const PORT = 20_000;

let lab: Lab;
let agents: Agents;

check('without enforcement root in a qube sends in any class, and status says so', async () => {
  lab = await startLab();
  agents = await startAgents({ mangle: ['untrusted'] });
  // Not by qvm-qos, which would have it enforced.
  lab.machine.setFeature('untrusted', 'vm-config.dscp', 'cs1');
  await untilMarked(agents, 'untrusted', 'cs1');
  await marksAsItsRootLikes('untrusted', 46);
  assert.match(await inQube('sys-firewall', 'qubes-qos-tc', 'status'), /trusted: its packets say/);
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['ef']);
});

check('once dom0 is believed, a cs1 qube that marks everything EF is cs1, offloaded', async () => {
  const said = { untrusted: grant('cs1'), work: grant('ef') };
  enforce(lab, said);
  await untilEnforced('untrusted', said.untrusted);
  await untilEnforced('work', said.work);
  const before = await counters();
  for (const family of FAMILIES) assert.deepEqual(await bandsOfFlow('untrusted', family, 1_500), ['cs1']);
  const after = await counters();
  assert.ok(after.forwardHook - before.forwardHook < 200, 'flows are offloaded in sys-firewall');
});

check('while its class changes, no packet of a flow is believed', async () => {
  const seen = await watchCard();
  const sending = sendMix('untrusted', flows(PORT, 46), { packets: 3000, intervalMs: 2 });
  for (const name of ['cs2', 'cs0', 'cs2', 'cs1'] as const) {
    const said = grant(name);
    enforce(lab, { untrusted: said });
    await untilEnforced('untrusted', said);
  }
  await sending;
  const { packets } = await seen();
  for (const family of FAMILIES)
    assert.deepEqual(Object.keys(packets(family, PORT)).sort(), ['cs0', 'cs1', 'cs2'], family);
  return FAMILIES.map((family) => packets(family, PORT));
});

check('a qube without an agent gets what dom0 gave it', async () => {
  // `work` marks nothing: it has no agent here.
  for (const family of FAMILIES) assert.deepEqual(await bandsOfFlow('work', family), ['ef']);
});

check('a worse class than granted stays, a code point of no class and a better one do not', async () => {
  const said = { untrusted: 'class=cs0 max=cs0 zero=keep', work: 'class=cs5 max=ef zero=keep' };
  enforce(lab, said);
  await untilEnforced('untrusted', said.untrusted);
  await untilEnforced('work', said.work);
  await inQube('untrusted', 'nft', 'delete', 'table', 'inet', 'forged');
  await inQube('untrusted', 'nft', 'delete', 'table', 'inet', 'qubes-qos-mangle');
  const outcomes = [
    ...outcomesOf('untrusted', { 8: 'cs1', 16: 'cs2', 10: 'cs0', 40: 'cs0', 46: 'cs0' }),
    // DSCP 0 means cs0 where dom0 keeps it; 46 is the best that it grants; 10 is a code point of no class.
    ...outcomesOf('work', { 0: 'cs0', 46: 'ef', 10: 'cs5', 8: 'cs1' }),
  ];
  const seen = await watchCard();
  for (const qube of ['untrusted', 'work']) {
    const flows = outcomes.filter((one) => one.qube === qube).map(({ flow }) => flow);
    await sendMix(qube, flows, { packets: 50, intervalMs: 4 });
  }
  const { packets } = await seen();
  for (const { qube, flow, className } of outcomes) {
    const { family, port, dscp } = flow;
    assert.deepEqual(packets(family, port), { [className]: 50 }, `${qube}, ${family}, DSCP ${dscp}`);
  }
});

check('a client of which dom0 says nothing is cs0 at most', async () => {
  lab.machine.removeFeature('sys-firewall', clientFeature('untrusted'));
  await untilEnforced('untrusted', '');
  await marksAsItsRootLikes('untrusted', 46);
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['cs0']);
});

check('ECN bits stay when a class is taken away', async () => {
  const rules = 'ip dscp 0 ip ecn ect0 counter name unmarked';
  const chain = `chain in { type filter hook prerouting priority raw; iifname "lan0" ${rules}; }`;
  await inQubeWith(
    { stdin: `table inet seen {\ncounter unmarked { }\n${chain}\n}\n` },
    'modem',
    'nft',
    '-f',
    '-',
  );
  await inQube('untrusted', 'ping', '-q', '-Q', '0x2', '-i', '0.01', '-c', '50', '203.0.113.10');
  assert.match(await inQube('modem', 'nft', 'list', 'counters', 'table', 'inet', 'seen'), /packets 50 /);
});

check('a vif that comes is cs0 until its own filters are there', async () => {
  const rules = await inQube('sys-firewall', 'nft', 'list', 'chain', 'inet', 'qubes-qos-tc', 'first-packets');
  for (const name of ['work', 'personal', 'untrusted'])
    assert.match(rules, new RegExp(`iif "vif\\d+\\.0" return`), name);
  assert.match(rules, /iifgroup != 2 return/);
  assert.match(rules, /ip6 dscp set cs0/);
});

check('garbage from dom0 keeps the last good word', async () => {
  lab.machine.setFeature('sys-firewall', clientFeature('work'), 'class=root max=ef');
  const agent = agents.get('tc in sys-firewall')!;
  await until('it is said', () => agent.output().includes('The last good value'));
  lab.machine.setFeature('sys-firewall', clientFeature('untrusted'), 'class=root max=ef');
  await until('that it is left out, too', () => agent.output().includes('It is left out'));
  await untilEnforced('work', 'class=cs5 max=ef zero=keep');
  await untilEnforced('untrusted', '');
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['cs0']);
});

check('without the feature the packets are believed again, and cleanup leaves nothing', async () => {
  lab.machine.removeFeature('sys-firewall', 'vm-config.qos-enforce');
  await until(
    'no filters',
    async () => !(await inQube('sys-firewall', 'tc', 'qdisc', 'show')).includes('clsact'),
  );
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['ef']);
  await stopAgents(agents);
  await inQube('sys-firewall', 'qubes-qos-tc', 'cleanup');
  assert.doesNotMatch(await inQube('sys-firewall', 'nft', 'list', 'tables'), /qubes-qos-tc/);
  assert.doesNotMatch(await inQube('sys-firewall', 'tc', 'qdisc', 'show'), /clsact/);
});

interface Expected {
  readonly qube: string;
  readonly flow: Flow;
  readonly className: string;
}

/** A flow of either family for each DSCP that a qube sends, and what becomes of it. */
function outcomesOf(qube: string, classes: Readonly<Record<number, string>>): Expected[] {
  const first = qube === 'work' ? PORT : PORT + 100;
  return FAMILIES.flatMap((family) =>
    Object.entries(classes).map(([dscp, className]) => ({
      ...{ qube, className },
      flow: { family, port: first + Number(dscp), dscp: Number(dscp) },
    })),
  );
}
