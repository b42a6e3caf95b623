// Owns one row of figures: latency and loss of the call, goodput of the loads, bands, and whether flows were offloaded.
import { CLASSES } from '@qubes-qos/core/classes';
import { readBandCounters } from '@qubes-qos/core/tc/counters';
import { inQube } from './namespaces.js';
import { NIC, SERVER } from './qubes.js';
import { spreadOfDelays } from './statistics.js';
import { runTraffic, type TrafficOptions } from './traffic.js';

/** One measurement. Latencies are milliseconds above the 10 ms of the provider. */
export interface Row {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Share of the call that did not arrive, 0 to 1. */
  readonly loss: number;
  /** Payload, Mbit a second. */
  readonly personal: number;
  readonly untrusted: number;
  /** Bytes that each band of the line sent, best class first; empty while there is no tree of five bands. */
  readonly bands: readonly number[];
  /** Packets that sys-firewall's forward hook saw, and those that its vifs received. */
  readonly forwardHook: number;
  readonly received: number;
}

/** Where the line is. */
export interface Place {
  readonly qube: string;
  readonly device: string;
}

const CARD: Place = { qube: 'sys-net', device: NIC };

/** Runs the traffic and reads the counters before and after. */
export async function measure(options: TrafficOptions, line = CARD): Promise<Row> {
  // The first packet of a path waits for the addresses of the neighbours, which is nobody's queue.
  await inQube('work', 'ping', '-q', '-c', '1', '-W', '2', SERVER[options.family]);
  const before = await counters(line);
  const { sent, probes, goodputMbit } = await runTraffic(options);
  const after = await counters(line);
  return {
    ...spreadOfDelays(probes.map((probe) => probe.addedMs)),
    loss: 1 - probes.length / sent,
    ...goodputMbit,
    bands: after.bands.map((bytes, index) => bytes - (before.bands[index] ?? 0)),
    forwardHook: after.forwardHook - before.forwardHook,
    received: after.received - before.received,
  };
}

/** Packets that the forward hook of a NetVM saw, of those that its vifs received: few as long as flows are offloaded. */
export interface Forwarded {
  readonly forwardHook: number;
  readonly received: number;
}

/** Counters of the line and of sys-firewall. */
export interface Counters extends Forwarded {
  readonly bands: readonly number[];
}

/** What the counters stand at. */
export async function counters(line = CARD): Promise<Counters> {
  return {
    bands: await bandBytes(line.qube, line.device),
    ...(await forwarded('sys-firewall')),
  };
}

/** What both counters of a NetVM stand at. */
export async function forwarded(qube: string): Promise<Forwarded> {
  return { forwardHook: await forwardHook(qube), received: await received(qube) };
}

/** Bytes sent by each of the five bands of a device's tree, best first; empty while there is no tree. */
export async function bandBytes(qube: string, device: string): Promise<number[]> {
  // Asked for one device, tc leaves its name out.
  const text = await inQube(qube, 'tc', '-s', '-j', 'qdisc', 'show');
  const bands = readBandCounters(JSON.parse(text), device);
  return bands.length === CLASSES.length ? bands.map(({ bytes }) => bytes) : [];
}

/** The counter in the flowtable's own chain counts every packet that comes through the forward hook. */
async function forwardHook(qube: string): Promise<number> {
  const text = await inQube(qube, 'nft', '-j', 'list', 'chain', 'inet', 'qubes-nat-accel', 'qubes-accel');
  const found = /"counter": ?\{"packets": ?(\d+)/.exec(text);
  if (!found) throw new Error(`${qube}: no counter in the chain of the flowtable: ${text}`);
  return Number(found[1]);
}

async function received(qube: string): Promise<number> {
  const links = JSON.parse(await inQube(qube, 'ip', '-s', '-j', 'link', 'show')) as {
    ifname: string;
    stats64: { rx: { packets: number } };
  }[];
  return links
    .filter((link) => link.ifname.startsWith('vif'))
    .reduce((sum, link) => sum + link.stats64.rx.packets, 0);
}
