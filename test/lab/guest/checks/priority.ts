// Checks the main job end to end: commands in dom0, agents in the qubes, packets on a full line, counters of the bands.
import assert from 'node:assert/strict';
import { inDom0, startAgents, untilMarked, untilShaped, type Agents } from '../agents.js';
import { check } from '../check.js';
import { counters, measure, type Row } from '../measure.js';
import { sleep } from '../run.js';
import { startLab, type Lab } from '../topology.js';
import { sendFlow } from '../traffic.js';

const SECONDS = 6;
/** 160 bytes of a call in UDP, IP and Ethernet. */
const FRAME_BYTES = { ip: 202, ip6: 222 } as const;

let lab: Lab;
let agents: Agents;

check('the agents start and put their bands in place', async () => {
  lab = await startLab();
  agents = await startAgents();
});

check('without a rate `set` says that there is no effect on delay, and what to type', async () => {
  const said = await inDom0('qvm-qos', 'set', 'untrusted', 'cs1');
  assert.match(said, /qvm-qos uplink sys-net --up/);
  await untilMarked(agents, 'untrusted', 'cs1');
});

check('`uplink` makes sys-net shape, and `set` then has nothing to say about it', async () => {
  await inDom0('qvm-qos', 'uplink', 'sys-net', '--up', '10mbit');
  await untilShaped(agents);
  assert.doesNotMatch(await inDom0('qvm-qos', 'set', 'work', 'ef'), /uplink/);
  await untilMarked(agents, 'work', 'ef');
});

for (const family of ['ip', 'ip6'] as const) {
  check(`${family}: a call from work is at the physical floor while the others fill the line`, async () => {
    const row = await measure({ family, load: true, phaseMs: 0, seconds: SECONDS });
    assertPriority(row);
    assert.equal(
      row.bands[0],
      50 * SECONDS * FRAME_BYTES[family],
      'every packet of the call, and nothing else, is in the band of EF',
    );
    return row;
  });
}

for (const family of ['ip', 'ip6'] as const) {
  check(`${family}: each of 10 000 packets of an offloaded flow is in the band of its class`, async () => {
    const before = await counters();
    const sent = async () => (await counters()).bands.map((bytes, band) => bytes - before.bands[band]!);
    await Promise.all([sendFlow('work', family, 10_000), sendFlow('untrusted', family, 10_000)]);
    const frame = FRAME_BYTES[family];
    await sleep(1000);
    const [ef, cs5, cs0, cs2, cs1] = await sent();
    // Neighbour discovery may cost a flow a packet, and is itself in the default band.
    for (const bytes of [ef!, cs1!])
      assert.ok(bytes <= 10_000 * frame && bytes >= 9_998 * frame, String(bytes));
    assert.ok(cs0! <= 2 * frame, `${String(cs0)} bytes in the default band`);
    assert.deepEqual([cs5, cs2], [0, 0]);
    const after = await counters();
    assert.ok(after.received - before.received >= 19_996);
    const seen = after.forwardHook - before.forwardHook;
    assert.ok(seen < 100, `${seen} packets came through the forward hook`);
    return { received: after.received - before.received, forwardHook: seen };
  });
}

check('a feature set by another program in dom0 has the same effect', async () => {
  lab.machine.setFeature('personal', 'vm-config.dscp', 'ef');
  await untilMarked(agents, 'personal', 'ef');
  lab.machine.removeFeature('personal', 'vm-config.dscp');
});

check('no agent has ended or complained', () => {
  for (const [name, agent] of agents) {
    assert.equal(agent.ended(), undefined, `${name}: ${agent.output()}`);
    assert.doesNotMatch(agent.output(), /<[0-4]>/, name);
  }
  return Promise.resolve();
});

function assertPriority(row: Row): void {
  assert.ok(row.p99 <= 1.55 && row.loss === 0, show(row));
  const ratio = row.personal / row.untrusted;
  assert.ok(ratio > 2.8 && ratio < 3.2, `personal : untrusted is ${ratio}, expected 3`);
  assert.ok(row.personal + row.untrusted > 8.8, show(row));
  assert.ok(row.received > 10_000 && row.forwardHook < row.received / 100, 'flows are offloaded');
  assert.equal(row.bands[1]! + row.bands[3]!, 0, 'nothing is in the bands that nobody uses');
}

function show(row: Row): string {
  return JSON.stringify(row);
}
