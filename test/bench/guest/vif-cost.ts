// Owns what bands cost where nothing is shaped: a download from sys-net through sys-firewall to a qube, as fast as the
// processor can, with one or another root qdisc on every interface that Qubes made.
import { enter, inQube, inQubeWith } from '../../lab/guest/namespaces.js';
import { labQube } from '../../lab/guest/qubes.js';
import { record } from '../../lab/guest/record.js';
import { start } from '../../lab/guest/run.js';
import { startLab } from '../../lab/guest/topology.js';
import type { VifRow } from '../figures.js';
import { clean } from './designs.js';

const PORT = 7000;
const WARM_UP_MS = 1500;
const SECONDS = 3;
/** -icount shift=1: an instruction is 2 ns. */
const INSTRUCTIONS_PER_SECOND = 500e6;
/** Payload of a frame of 1500 bytes with TCP timestamps. */
const SEGMENT_BYTES = 1448;

/** The vifs and eth0 on the way, both directions. */
const DEVICES = [
  ['sys-net', 'vif2.0'],
  ['sys-firewall', 'eth0'],
  ['sys-firewall', 'vif4.0'],
] as const;

/** Root qdiscs to compare; `noqueue` is what a veth has, fq_codel what systemd gives to a vif of Qubes. */
const QDISCS: Readonly<Record<string, () => Promise<void>>> = {
  'noqueue (no qdisc at all)': () => Promise.resolve(),
  'pfifo_fast (default of the kernel)': () => roots('pfifo_fast'),
  'fq_codel (default of systemd)': () => roots('fq_codel'),
  'bands of ours, without a rate': async () => {
    await inQube('sys-net', 'qubes-qos-tc', 'apply');
    await inQube('sys-firewall', 'qubes-qos-tc', 'apply');
  },
};

/** Measures each qdisc with super-packets and with single frames. */
export async function runVifCost(): Promise<void> {
  await startLab();
  for (const table of ['ip', 'ip6'])
    await inQube(
      'sys-net',
      ...`nft add rule ${table} qubes custom-input tcp dport ${PORT} accept`.split(' '),
    );
  for (const isGso of [true, false]) {
    await inQube('sys-net', ...`ethtool -K vif2.0 tso ${onOff(isGso)} gso ${onOff(isGso)}`.split(' '));
    await inQube('sys-firewall', ...`ethtool -K eth0 gro ${onOff(isGso)}`.split(' '));
    for (const [qdisc, put] of Object.entries(QDISCS)) {
      await put();
      const mbit = await download();
      const framesPerSecond = (mbit * 1e6) / 8 / SEGMENT_BYTES;
      const row: VifRow = {
        ...{ kind: 'vif', qdisc, traffic: isGso ? 'TCP, super-packets' : 'TCP, single frames' },
        ...{ mbit, instructions: INSTRUCTIONS_PER_SECOND / framesPerSecond },
      };
      record(row);
      await clean();
    }
  }
}

async function roots(kind: string): Promise<void> {
  for (const [qube, dev] of DEVICES) await inQube(qube, 'tc', 'qdisc', 'replace', 'dev', dev, 'root', kind);
}

/** Mbit of payload a second, IPv4. */
async function download(): Promise<number> {
  const from = Date.now() + WARM_UP_MS;
  const phases = [[from, from + SECONDS * 1000]].map((phase) => phase.map((ms) => ms * 1e6));
  const empty = { tcp: [], udp: [], streams: [], echo: [] };
  const until = (from + SECONDS * 1000 + 200) * 1e6;
  const server = start(
    ...enter('sys-net'),
    ...['python3', '/lab/bench.py', JSON.stringify({ do: 'serve', ...empty, phases, source: [PORT], until })],
  );
  await inQubeWith({}, 'sys-net', 'sleep', '0.5');
  const sink = { do: 'sink', host: labQube('sys-net').ip, ports: [PORT], phases };
  const text = await inQube('personal', 'python3', '/lab/bench.py', JSON.stringify(sink));
  await server.done();
  const { bytes } = JSON.parse(text) as { bytes: Record<string, [number]> };
  return (bytes[PORT]![0] * 8) / SECONDS / 1e6;
}

function onOff(isOn: boolean): string {
  return isOn ? 'on' : 'off';
}
