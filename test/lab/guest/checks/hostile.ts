// Checks that nothing a hostile qube does makes its packets better than dom0 says, nor an honest call worse: marks, forged
// addresses, its own QubesDB, floods in a thousand flows. By packets counted at sys-net's card, flows offloaded.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { inDom0, startAgents, untilShaped, type Agents } from '../agents.js';
import { watchCard } from '../card.js';
import { check } from '../check.js';
import { clientFeature, FAMILIES, flows, sendMix, untilEnforced, type Flow } from '../first-hop.js';
import { grant } from '../grant.js';
import { counters } from '../measure.js';
import { inQube, inQubeWith, ipBatch } from '../namespaces.js';
import { labQube, SERVER } from '../qubes.js';
import { sleep, until } from '../run.js';
import { startLab, type Lab } from '../topology.js';
import { GATEWAY6, VIF_MAC } from '../vif.js';
import { FLOOD, measureCall, type CallRow } from '../video-call.js';

const CS1 = grant('cs1');
const EF = grant('ef');
const EF_DSCP = 46;
const PACKETS = 100;
const MIX = { packets: PACKETS, intervalMs: 4 } as const;
/** More than ten million bytes, in 9 s: super-packets of 40 frames. */
const LONG = { packets: 300, intervalMs: 50, bytes: 40 * 1400 } as const;
const LONG_BYTES = 10_000_000;
const LONG_PORT = 20_500;

let lab: Lab;
let agents: Agents;

check('what a file says is in force at the first hop, and diff finds nothing', async () => {
  lab = await startLab();
  // The hostile qube has stopped our agent, and the others have none either.
  agents = await startAgents({ mangle: [] });
  writeFileSync('/lab/machine.toml', '[qubes.work]\nclass = "ef"\n[qubes.untrusted]\nclass = "cs1"\n');
  await inDom0('qvm-qos', 'apply', '/lab/machine.toml');
  assert.equal(await inDom0('qvm-qos', 'diff', '/lab/machine.toml'), '');
  await untilEnforced('work', EF);
  await untilEnforced('untrusted', CS1);
  await untilEnforced('personal', '');
});

check('marks, forged addresses and what it writes into its own QubesDB gain nothing', async () => {
  await forgeQubesDb('untrusted');
  const before = await counters();
  const seen = await watchCard();
  await Promise.all([
    sendMix('untrusted', [...flows(20_000, EF_DSCP), ...flows(20_001, 40), ...flows(20_002, 34)], MIX),
    sendMix('untrusted', forgedFlows(20_003), MIX),
    sendMix('personal', flows(20_004, EF_DSCP), MIX),
    sendMix('work', flows(20_005, 0), MIX),
  ]);
  const { packets, bands } = await seen();
  const after = await counters();
  for (const family of FAMILIES) {
    for (const port of [20_000, 20_001, 20_002]) assert.deepEqual(packets(family, port), { cs1: PACKETS });
    assert.deepEqual(packets(family, 20_003), {}, "Qubes' own rule drops a forged address");
    assert.deepEqual(packets(family, 20_004), { cs0: PACKETS }, 'dom0 has granted it nothing');
    assert.deepEqual(packets(family, 20_005), { ef: PACKETS }, 'it marks nothing, and dom0 says ef');
    assert.match(await inQube('sys-firewall', 'nft', 'list', 'chain', family, 'qubes', 'antispoof'), dropped);
  }
  assert.deepEqual({ ef: bands.ef, cs5: bands.cs5, cs1: bands.cs1 }, { ef: 200, cs5: 0, cs1: 600 });
  assert.ok(after.forwardHook - before.forwardHook < 100, 'flows are offloaded in sys-firewall');
});

check('where nobody drops a forged address, the class is that of the vif, not of the address', async () => {
  for (const family of FAMILIES)
    await inQube('sys-firewall', 'nft', 'insert', 'rule', family, 'qubes', 'antispoof', 'accept');
  const seen = await watchCard();
  await sendMix('untrusted', forgedFlows(20_010), MIX);
  const { packets } = await seen();
  for (const family of FAMILIES) assert.deepEqual(packets(family, 20_010), { cs1: PACKETS });
});

check('a tag of VLAN 0, which is no VLAN, does not hide a packet from the filters of its vif', async () => {
  // 802.1p: the kernel takes such tags off, one after the other, behind all filters (net/core/dev.c, check_vlan_id).
  const tags = ['link eth0 name tag0 type vlan', 'link eth0 name tag1 type vlan protocol 802.1ad'];
  const devices = [...tags, 'link tag0 name tag2 type vlan'].map((words) => `link add ${words} id 0`);
  await ipBatch('untrusted', devices);
  const seen = await watchCard();
  for (const [index, device] of ['tag0', 'tag1', 'tag2'].entries()) {
    await ipBatch('untrusted', [`link set ${device} up`, ...routesBy(device)]);
    await sendMix('untrusted', flows(20_012 + index, EF_DSCP), MIX);
  }
  await ipBatch('untrusted', ['link delete tag1', 'link delete tag0', ...routesBy('eth0')]);
  const { packets } = await seen();
  for (const family of FAMILIES)
    for (const port of [20_012, 20_013, 20_014])
      assert.deepEqual(packets(family, port), { cs1: PACKETS }, `${family} ${port}`);
});

check(
  'a flood of 20 Mbit as EF in 1,000 flows harms no call, IPv4 and IPv6, and costs the agent nothing',
  async () => {
    lab.machine.setFeature('sys-net', 'vm-config.qos-uplink', 'up=10mbit');
    await untilShaped(agents);
    const alone = await passMs();
    const [row, ...more] = [await floodedCall('ip'), await floodedCall('ip6')];
    const connections = await inQube('sys-firewall', 'conntrack', '-C');
    assert.ok(Number(connections) > 2000, `${connections} connections`);
    const flooded = await passMs();
    assert.ok(
      flooded < alone * 1.25 + 20,
      `a pass takes ${flooded} ms with 2,000 flows, ${alone} ms without`,
    );
    lab.machine.removeFeature('sys-net', 'vm-config.qos-uplink');
    return { rows: [row, ...more], alone, flooded };
  },
);

check('byte 10,000,000 of a flow is cs1, and a grant counts for it at once, without a restart', async () => {
  await until('sys-net shapes no more', async () => (await counters()).bands.length > 0);
  const before = await counters();
  const seen = await watchCard();
  const sent = sendMix('untrusted', flows(LONG_PORT, EF_DSCP), LONG);
  await until(
    'both flows are long',
    async () => {
      const { bytes } = await seen();
      return FAMILIES.every((family) => bytes(family, LONG_PORT) > LONG_BYTES);
    },
    60_000,
  );
  const long = await seen();
  const offloaded = await counters();
  for (const family of FAMILIES)
    assert.deepEqual(Object.keys(long.packets(family, LONG_PORT)), ['cs1'], family);
  assert.ok(offloaded.forwardHook - before.forwardHook < 20, 'the flows are offloaded in sys-firewall');
  const ms = await grantEf(async () => {
    const { packets } = await seen();
    return FAMILIES.every((family) => (packets(family, LONG_PORT).ef ?? 0) > 0);
  });
  await sleep(200);
  const middle = await seen();
  await sent;
  const end = await seen();
  for (const family of FAMILIES) {
    assert.equal(end.packets(family, LONG_PORT).cs1, middle.packets(family, LONG_PORT).cs1, family);
    assert.ok(end.packets(family, LONG_PORT).ef! > middle.packets(family, LONG_PORT).ef!, family);
  }
  for (const [name, agent] of agents) assert.equal(agent.ended(), undefined, name);
  return { ...ms, bytes: FAMILIES.map((family) => end.bytes(family, LONG_PORT)) };
});

check(
  'derived features that are damaged, and two clients with one address, promote nobody, and it is said',
  async () => {
    lab.machine.setFeature('sys-firewall', clientFeature('personal'), `${EF} up=fast`);
    lab.machine.setFeature('sys-net', clientFeature('work'), EF);
    lab.machine.create({ name: 'double', netvm: 'sys-firewall', ip: labQube('work').ip, running: false });
    await until('it is said', () => agents.get('tc in sys-firewall')!.output().includes('"fast"'));
    const status = await inQube('sys-firewall', 'qubes-qos-tc', 'status');
    assert.match(status, /^problem: vm-config\.qos\.10\.137\.0\.12: .*fast.*It is left out\.$/m);
    const seen = await watchCard();
    await sendMix('personal', flows(20_020, EF_DSCP), MIX);
    const { packets } = await seen();
    for (const family of FAMILIES) assert.deepEqual(packets(family, 20_020), { cs0: PACKETS });
    const said = await inDom0('qvm-qos', 'sync');
    assert.match(said, /sys-firewall has another client with the address 10\.137\.0\.11; both get the least/);
    await untilEnforced('work', '');
    for (const [netvm, client] of [
      ['sys-firewall', 'personal'],
      ['sys-net', 'work'],
    ] as const)
      assert.equal(lab.machine.qube(netvm).features.get(clientFeature(client)), undefined);
    lab.machine.delete('double');
    await inDom0('qvm-qos', 'sync');
    await untilEnforced('work', EF);
  },
);

const dropped = /counter packets [1-9]\d\d+ bytes \d+ drop/;

/** The way to the server by a device. */
function routesBy(device: string): string[] {
  const { ip, ip6 } = labQube('untrusted');
  const gateways = { ip: labQube('sys-firewall').ip, ip6: GATEWAY6 };
  return FAMILIES.flatMap((family) => [
    `neighbour replace ${gateways[family]} dev ${device} lladdr ${VIF_MAC} nud permanent`,
    `route replace ${SERVER[family]} via ${gateways[family]} dev ${device} onlink src ${{ ip, ip6 }[family]}`,
  ]);
}

/** EF, with the addresses of `work`, which has it. */
function forgedFlows(port: number): Flow[] {
  return FAMILIES.map((family) => ({ family, port, dscp: EF_DSCP, source: labQube('work')[family] }));
}

/** Everything that we read anywhere, as root in a qube writes it: through the socket of the qube's own daemon. */
async function forgeQubesDb(qube: string): Promise<void> {
  const { ip } = labQube(qube);
  const entries = {
    ...{ dscp: 'ef', 'qos-class': 'ef', 'qos-rules': 'udp -> ef', 'qos-enforce': '0' },
    ...{ [`qos.${ip}`]: EF, 'qos-uplink': 'up=1gbit' },
  };
  // A header of 72 bytes: type 1 is to write, the path in 64, the length of the value.
  const program = `
import json, socket, struct, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect("/run/qubes/qubesdb.sock")
for name, value in json.load(sys.stdin).items():
    connection.sendall(struct.pack("<B64s3xI", 1, f"/vm-config/{name}".encode(), len(value)) + value.encode())
    assert connection.recv(72, socket.MSG_WAITALL)[0] == 7, name
`;
  await inQubeWith({ stdin: JSON.stringify(entries) }, qube, 'python3', '-c', program);
  assert.equal(Buffer.from(lab.qubesdb(qube).read('/vm-config/dscp')!).toString(), 'ef');
}

async function floodedCall(family: 'ip' | 'ip6'): Promise<CallRow> {
  const seen = await watchCard();
  const row = await measureCall({
    ...{ family, load: false, video: true, workTcp: 0, floodFlows: 1000, floodDscp: EF_DSCP },
    ...{ phaseMs: 0, seconds: 2, warmUpMs: 2500 },
  });
  const { voice, video, flood } = row;
  const { packets, bands } = await seen();
  const shown = JSON.stringify({ row, bands, flood: packets(family, FLOOD) });
  assert.deepEqual([voice.lost, voice.reordered, video.lost, video.reordered], [0, 0, 0, 0], shown);
  // As in admission.ts: some of the voice comes just after a packet of video.
  assert.ok(voice.p50 <= 1.2 && voice.p99 <= 2.5 && video.p99 <= 3.3, shown);
  assert.deepEqual(Object.keys(packets(family, FLOOD)), ['cs1'], shown);
  // Besides voice and video `work` sends its ping, and maybe the answer to a neighbour.
  assert.ok(bands.ef! >= voice.sent + video.sent && bands.ef! <= voice.sent + video.sent + 4, shown);
  assert.ok(flood > 5, shown);
  return row;
}

/** How long a pass of the agent that has nothing to change takes, milliseconds of the guest. */
async function passMs(): Promise<number> {
  const start = performance.now();
  assert.match(await inQube('sys-firewall', 'qubes-qos-tc', 'apply'), /^nothing to change/);
  return Math.round(performance.now() - start);
}

/** Types the grant in dom0. @returns milliseconds from the Enter key, and from when dom0 had told sys-firewall, to the first packet */
async function grantEf(isSeen: () => Promise<boolean>): Promise<{ typedMs: number; toldMs: number }> {
  const typed = performance.now();
  let told = typed;
  const stop = lab.machine.onEvent(({ subject, event }) => {
    if (subject === 'sys-firewall' && event === `domain-feature-set:${clientFeature('untrusted')}`)
      told = performance.now();
  });
  const command = inDom0('qvm-qos', 'set', 'untrusted', 'ef');
  await until('packets of the flows are EF', isSeen);
  const now = performance.now();
  await command;
  stop();
  return { typedMs: Math.round(now - typed), toldMs: Math.round(now - told) };
}
