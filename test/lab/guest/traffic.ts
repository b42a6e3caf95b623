// Owns the traffic of a measurement: a call from `work` against uploads that fill the line, and what arrives of them.
import { SERVER, SWALLOW_PORT } from './qubes.js';
import { start } from './run.js';
import { enter } from './namespaces.js';

export type Family = 'ip' | 'ip6';

export interface TrafficOptions {
  readonly family: Family;
  /** Without, the call is alone on the line. */
  readonly load: boolean;
  /** Shifts the call against everything else, milliseconds below 20: the only source of a spread in virtual time. */
  readonly phaseMs: number;
  /** Length of the call, seconds. */
  readonly seconds: number;
  /** Largest packet of the way, bytes: datagrams above it would be two, of which one has no ports. 1500 by default. */
  readonly mtu?: number;
}

/** One packet of the call that arrived. */
export interface Probe {
  /** From 0, in order of sending, one each 20 ms. */
  readonly number: number;
  /** One-way latency, milliseconds above the 10 ms of the provider. */
  readonly addedMs: number;
}

/** What arrived at the server. */
export interface Arrived {
  /** Probes sent. */
  readonly sent: number;
  /** The probes that arrived, in order of arrival. */
  readonly probes: readonly Probe[];
  /** Payload of the loads during the call, Mbit a second. */
  readonly goodputMbit: Readonly<Record<'personal' | 'untrusted', number>>;
}

const PROBE_PORT = 9000;
/** Two TCP connections and one UDP flow each. */
const LOADS = [
  { qube: 'personal', tcp: [7001, 7002], udp: 7003 },
  { qube: 'untrusted', tcp: [7101, 7102], udp: 7103 },
] as const;
const UDP_RATE = 6_000_000;
/** Of IP and UDP, bytes. */
const HEADERS: Readonly<Record<Family, number>> = { ip: 28, ip6: 48 };

const INTERVAL_NS = 20_000_000n;
/** A call: 160 bytes of G.711 every 20 ms. */
const PROBE_BYTES = 160;
/** From the start of the loads to that of the call: everybody has started Python, and TCP has filled the queue. */
export const WARM_UP_MS = 4000;
const PROVIDER_NS = 10_000_000;
const NS_PER_MS = 1e6;

/** Runs the traffic to its end. */
export async function runTraffic(options: TrafficOptions): Promise<Arrived> {
  const from = BigInt(Date.now()) * 1_000_000n + BigInt(WARM_UP_MS) * 1_000_000n;
  const to = from + BigInt(options.seconds) * 1_000_000_000n;
  const ports = LOADS.flatMap((load) => load.tcp).join(',');
  const server = python(
    'internet',
    'serve',
    from,
    to,
    ports,
    LOADS.map((load) => load.udp).join(','),
    PROBE_PORT,
  );
  const loads = options.load ? LOADS.flatMap((load) => startLoad(load, options, to)) : [];
  const sent = options.seconds * 50;
  const call = python(
    ...(['work', 'probe', SERVER[options.family], PROBE_PORT] as const),
    ...[from + BigInt(Math.round(options.phaseMs * NS_PER_MS)), sent, INTERVAL_NS, PROBE_BYTES],
  );
  const [text] = await Promise.all([server, call, ...loads]);
  const result = JSON.parse(text) as {
    bytes: Record<string, number>;
    latencies: Record<string, [number, number][]>;
  };
  return {
    sent,
    probes: (result.latencies[PROBE_PORT] ?? []).map(([number, latency]) => ({
      number,
      addedMs: (latency - PROVIDER_NS) / NS_PER_MS,
    })),
    goodputMbit: {
      personal: goodput(result.bytes, 'personal', options.seconds),
      untrusted: goodput(result.bytes, 'untrusted', options.seconds),
    },
  };
}

/** Sends one UDP flow of so many packets from a qube, 1000 a second, to the server's port that answers nothing. */
export async function sendFlow(qube: string, family: Family, packets: number): Promise<void> {
  const from = BigInt(Date.now()) * 1_000_000n + 500_000_000n;
  await python(qube, 'probe', SERVER[family], SWALLOW_PORT, from, packets, 1_000_000n, PROBE_BYTES);
}

function startLoad(
  load: (typeof LOADS)[number],
  { family, mtu = 1500 }: TrafficOptions,
  until: bigint,
): Promise<string>[] {
  const host = SERVER[family];
  const payload = mtu - HEADERS[family];
  return [
    ...load.tcp.map((port) => python(load.qube, 'tcp', host, port, until)),
    python(load.qube, 'udp', host, load.udp, until, UDP_RATE, payload),
  ];
}

function goodput(bytes: Readonly<Record<string, number>>, qube: string, seconds: number): number {
  const load = LOADS.find((entry) => entry.qube === qube)!;
  const sum = [...load.tcp, load.udp].reduce((total, port) => total + (bytes[port] ?? 0), 0);
  return (sum * 8) / seconds / 1e6;
}

/** Runs traffic.py in a qube to its end and returns what it printed. */
export async function python(qube: string, ...args: (string | number | bigint)[]): Promise<string> {
  const program = start(...enter(qube), 'python3', '/lab/traffic.py', ...args.map(String));
  await program.done();
  if (program.ended() !== 0) throw new Error(`traffic ${args.join(' ')} in ${qube}: ${program.output()}`);
  return program.output();
}
