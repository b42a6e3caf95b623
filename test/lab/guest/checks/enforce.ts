// Checks that dom0's word holds at the first hop, whatever a qube says of itself: by packets counted at sys-net's card.
import assert from 'node:assert/strict';
import { startAgents, stopAgents, untilMarked, type Agents } from '../agents.js';
import { check } from '../check.js';
import { counters } from '../measure.js';
import { inQube, inQubeWith } from '../namespaces.js';
import { labQube } from '../qubes.js';
import { sleep, until } from '../run.js';
import { startLab, type Lab } from '../topology.js';
import { sendFlow, type Family } from '../traffic.js';

const FAMILIES: readonly Family[] = ['ip', 'ip6'];
const PACKETS = 400;
const BANDS = ['ef', 'cs5', 'cs0', 'cs2', 'cs1'] as const;

let lab: Lab;
let agents: Agents;

check('without enforcement root in a qube sends in any class, and status says so', async () => {
  lab = await startLab();
  agents = await startAgents();
  // Not by qvm-qos, which would have it enforced.
  lab.machine.setFeature('untrusted', 'vm-config.dscp', 'cs1');
  await untilMarked(agents, 'untrusted', 'cs1');
  await marksAsItsRootLikes('untrusted', 46);
  assert.match(await inQube('sys-firewall', 'qubes-qos-tc', 'status'), /trusted: its packets say/);
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['ef']);
});

for (const family of FAMILIES) {
  check(
    `${family}: once dom0 is believed, a cs1 qube that marks everything EF is cs1, offloaded`,
    async () => {
      enforce({ untrusted: 'class=cs1 max=cs1 zero=class', work: 'class=ef max=ef zero=class' });
      await untilEnforced('dom0 says cs1');
      const before = await counters();
      assert.deepEqual(await bandsOfFlow('untrusted', family, 5_000), ['cs1']);
      const after = await counters();
      assert.ok(after.forwardHook - before.forwardHook < 200, 'flows are offloaded in sys-firewall');
    },
  );
}

for (const family of FAMILIES) {
  check(`${family}: a qube without an agent gets what dom0 gave it`, async () => {
    // `work` marks nothing: no class was set, and its agent has no table.
    assert.deepEqual(await bandsOfFlow('work', family), ['ef']);
  });
}

for (const family of FAMILIES) {
  check(
    `${family}: a worse class than granted stays, a code point of no class and a better one do not`,
    async () => {
      enforce({ untrusted: 'class=cs0 max=cs0 zero=keep', work: 'class=cs5 max=ef zero=keep' });
      await untilEnforced('dom0 says cs0');
      for (const [dscp, band] of [
        [8, 'cs1'],
        [16, 'cs2'],
        [10, 'cs0'],
        [40, 'cs0'],
      ] as const) {
        await marksAsItsRootLikes('untrusted', dscp);
        assert.deepEqual(await bandsOfFlow('untrusted', family), [band], `DSCP ${dscp}`);
      }
      assert.deepEqual(await bandsOfFlow('work', family), ['cs0'], 'DSCP 0 means cs0 where dom0 keeps it');
      await marksAsItsRootLikes('work', 46);
      assert.deepEqual(await bandsOfFlow('work', family), ['ef'], 'the best class that dom0 grants');
      await marksAsItsRootLikes('work', 10);
      assert.deepEqual(await bandsOfFlow('work', family), ['cs5'], 'a code point of no class');
      await unmark('work');
    },
  );
}

check('a grant is in force within seconds for a flow that is under way, without any restart', async () => {
  enforce({ untrusted: 'class=cs1 max=cs1 zero=class' });
  await untilEnforced('dom0 says cs1');
  await marksAsItsRootLikes('untrusted', 46);
  const flow = sendFlow('untrusted', 'ip', 7_000);
  await sleep(500);
  enforce({ untrusted: 'class=ef max=ef zero=class' });
  const asked = Date.now();
  await until('the flow is EF', async () => {
    const before = await counters();
    await sleep(300);
    const after = await counters();
    return after.bands[0]! - before.bands[0]! > 20_000;
  });
  const ms = Date.now() - asked;
  await flow;
  return { ms };
});

check('a client of which dom0 says nothing is cs0 at most', async () => {
  lab.machine.removeFeature('sys-firewall', feature('untrusted'));
  await untilEnforced('dom0 says cs0');
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

check('garbage from dom0 keeps the last good word, and no forged entry promotes', async () => {
  lab.machine.setFeature('sys-firewall', feature('untrusted'), 'class=root max=ef');
  await sleep(2000);
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['cs0']);
  // What a qube writes into its own QubesDB is not read by anybody else.
  await inQubeWith({ okCodes: [0, 1, 127] }, 'untrusted', 'qubesdb-write', '/vm-config/qos-enforce', '0');
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['cs0']);
});

check('without the feature the packets are believed again, and cleanup leaves nothing', async () => {
  lab.machine.removeFeature('sys-firewall', 'vm-config.qos-enforce');
  await untilEnforced('trusted');
  assert.deepEqual(await bandsOfFlow('untrusted', 'ip'), ['ef']);
  await stopAgents(agents);
  await inQube('sys-firewall', 'qubes-qos-tc', 'cleanup');
  assert.doesNotMatch(await inQube('sys-firewall', 'nft', 'list', 'tables'), /qubes-qos-tc/);
  assert.doesNotMatch(await inQube('sys-firewall', 'tc', 'qdisc', 'show'), /clsact/);
});

function feature(qube: string): string {
  return `vm-config.qos.${labQube(qube).ip}`;
}

function enforce(clients: Readonly<Record<string, string>>): void {
  for (const [qube, value] of Object.entries(clients))
    lab.machine.setFeature('sys-firewall', feature(qube), value);
  lab.machine.setFeature('sys-firewall', 'vm-config.qos-enforce', '1');
}

/** Until sys-firewall says this of the vif of `untrusted`, and has it in force. */
async function untilEnforced(said: string): Promise<void> {
  await until(`sys-firewall: ${said}`, async () => {
    const { interfaces } = JSON.parse(await inQube('sys-firewall', 'qubes-qos-tc', 'status', '--json')) as {
      interfaces: { interface: string; inForce: boolean; notes: string[] }[];
    };
    const vifs = interfaces.filter(({ interface: name }) => name.startsWith('vif'));
    return (
      vifs.every(({ inForce }) => inForce) &&
      vifs.some(({ notes }) => notes.includes(said) || notes.some((note) => note.startsWith(said)))
    );
  });
}

/** Root in the qube marks all it sends, after whatever our agent there does. */
async function marksAsItsRootLikes(qube: string, dscp: number): Promise<void> {
  const rules = `ip dscp set ${dscp}; ip6 dscp set ${dscp};`;
  const chain = `chain out { type filter hook postrouting priority 300; ${rules} }`;
  const script = `table inet forged\ndelete table inet forged\ntable inet forged {\n${chain}\n}\n`;
  await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
}

async function unmark(qube: string): Promise<void> {
  await inQube(qube, 'nft', 'delete', 'table', 'inet', 'forged');
}

/** The bands of sys-net's card that carried a flow of some thousand packets. */
async function bandsOfFlow(qube: string, family: Family, packets = PACKETS): Promise<string[]> {
  const before = await counters();
  await sendFlow(qube, family, packets);
  await sleep(300);
  const after = await counters();
  const rose = after.bands.map((bytes, band) => bytes - before.bands[band]!);
  // Neighbour discovery is in the default band, and may cost the flow a packet.
  return BANDS.filter((_, band) => rose[band]! > 20 * 200);
}
