// Owns the traffic of a video call: voice and video from `work`, which is EF, with an upload of its own and a flood from
// another EF qube on demand, against uploads that fill the line; and what arrives of each.
import { inQube, inQubeWith } from './namespaces.js';
import { SERVER } from './qubes.js';
import { reordered, spreadOfDelays } from './statistics.js';
import { python, WARM_UP_MS, type Family } from './traffic.js';

export interface CallOptions {
  readonly family: Family;
  /** Without, `personal` and `untrusted` are silent. */
  readonly load: boolean;
  /** TCP connections of `work`, which are EF like all that it sends. */
  readonly workTcp: number;
  /** Number of flows in which `untrusted` sends 20 Mbit as EF; 0 for none. */
  readonly floodFlows: number;
  /** What the program that floods says of its packets itself; 0 by default. */
  readonly floodDscp?: number;
  /** TCP connections of `untrusted` as EF. */
  readonly rivalTcp?: number;
  /** Without, voice is alone. */
  readonly video: boolean;
  readonly phaseMs: number;
  readonly seconds: number;
  /** From the start of the loads to that of the call; less is enough where no TCP has to fill a queue first. */
  readonly warmUpMs?: number;
}

/** One stream of a call. Milliseconds above the 10 ms of the provider. */
export interface StreamRow {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly sent: number;
  readonly lost: number;
  /** Packets that arrived after one that was sent later. */
  readonly reordered: number;
}

/** One measurement of a call; rates are Mbit a second of whole frames during the call. */
export interface CallRow {
  readonly voice: StreamRow;
  readonly video: StreamRow;
  readonly workTcp: number;
  readonly flood: number;
  readonly rivalTcp: number;
  readonly personal: number;
  readonly untrusted: number;
  /** What the classes below EF have together. */
  readonly others: number;
  readonly all: number;
}

const VOICE = { port: 9100, bytes: 160, intervalNs: 20_000_000n } as const;
/** 3.1 Mbit of frames. */
const VIDEO = { port: 9101, bytes: 1200, intervalNs: 3_200_000n } as const;
const PERSONAL = [7201, 7202, 7203];
const UNTRUSTED = [7301, 7302, 7303];
const WORK = [7401, 7402];
const RIVAL = [7501, 7502];
/** The port of the flood at the server. */
export const FLOOD = 7500;
const FLOOD_RATE = 20_000_000;
const PROVIDER_NS = 10_000_000;
/** Ethernet, IP and UDP; TCP has a time stamp in each segment. */
const FRAME = 1514;
const HEADERS = { ip: { udp: 42, tcp: 66 }, ip6: { udp: 62, tcp: 86 } } as const;

/** Marks by hand: `work` is EF, `untrusted` CS1 but for what it may send as EF. */
export async function markCall(): Promise<void> {
  for (const [qube, name] of [
    ['work', 'ef'],
    ['untrusted', 'cs1'],
  ] as const) {
    const granted = `{ ${[FLOOD, ...RIVAL].join(', ')} }`;
    const except = ['ip', 'ip6'].flatMap((family) =>
      ['udp', 'tcp'].map((protocol) => `${protocol} dport ${granted} ${family} dscp set ef accept`),
    );
    const script = `table inet hand {
  chain out {
    type filter hook output priority mangle; policy accept;
    oif "lo" accept
    ${except.map((rule) => `meta nfproto ${rule.includes(' ip6 ') ? 'ipv6' : 'ipv4'} ${rule}`).join('\n    ')}
    ip dscp set ${name}
    ip6 dscp set ${name}
  }
}
`;
    await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
  }
}

/** Gives the modem another rate, with 500 ms of queue. */
export async function setLine(mbit: number): Promise<void> {
  const limit = Math.round((mbit * 1e6 * 0.5) / 8 / FRAME);
  const netem = ['netem', 'rate', `${mbit}mbit`, 'limit', `${limit}`];
  await inQube('modem', 'tc', 'qdisc', 'replace', 'dev', 'wan0', 'root', ...netem);
}

/** Runs the traffic to its end. */
export async function measureCall(options: CallOptions): Promise<CallRow> {
  const { family, seconds } = options;
  for (const qube of ['work', 'personal', 'untrusted'])
    await inQubeWith({ okCodes: [0, 1] }, qube, 'ping', '-q', '-c', '1', '-W', '2', SERVER[family]);
  const from = BigInt(Date.now() + (options.warmUpMs ?? WARM_UP_MS)) * 1_000_000n;
  const to = from + BigInt(seconds) * 1_000_000_000n;
  const tcp = [
    ...(options.load ? PERSONAL.map((port) => ['personal', port] as const) : []),
    ...(options.load ? UNTRUSTED.map((port) => ['untrusted', port] as const) : []),
    ...WORK.slice(0, options.workTcp).map((port) => ['work', port] as const),
    ...RIVAL.slice(0, options.rivalTcp ?? 0).map((port) => ['untrusted', port] as const),
  ];
  const listening = [...PERSONAL, ...UNTRUSTED, ...WORK, ...RIVAL].join(',');
  const server = python('internet', 'serve', from, to, listening, FLOOD, `${VOICE.port},${VIDEO.port}`);
  const host = SERVER[family];
  const start = from + BigInt(Math.round(options.phaseMs * 1e6));
  const count = (stream: typeof VOICE | typeof VIDEO) =>
    Number((BigInt(seconds) * 1_000_000_000n) / stream.intervalNs);
  const streams = options.video ? [VOICE, VIDEO] : [VOICE];
  const payload = FRAME - HEADERS[family].udp;
  const [text] = await Promise.all([
    server,
    ...tcp.map(([qube, port]) => python(qube, 'tcp', host, port, to)),
    ...(options.floodFlows === 0
      ? []
      : [
          python(
            ...(['untrusted', 'udp', host, FLOOD, to, FLOOD_RATE, payload] as const),
            ...[options.floodFlows, options.floodDscp ?? 0],
          ),
        ]),
    ...streams.map((stream) =>
      python('work', 'probe', host, stream.port, start, count(stream), stream.intervalNs, stream.bytes),
    ),
  ]);
  const { bytes, latencies } = JSON.parse(text) as {
    bytes: Record<string, number>;
    latencies: Record<string, [number, number][]>;
  };
  const rate = (ports: readonly number[], headers: number) =>
    (ports.reduce((sum, port) => sum + (bytes[port] ?? 0), 0) * 8 * FRAME) /
    (FRAME - headers) /
    seconds /
    1e6;
  const row = (stream: typeof VOICE | typeof VIDEO) =>
    streamRow(latencies[stream.port] ?? [], streams.includes(stream) ? count(stream) : 0);
  const [voice, video] = [row(VOICE), row(VIDEO)];
  const headers = HEADERS[family];
  const streamRate = (one: StreamRow, stream: typeof VOICE | typeof VIDEO) =>
    ((one.sent - one.lost) * (stream.bytes + headers.udp) * 8) / seconds / 1e6;
  const rates = {
    workTcp: rate(WORK, headers.tcp),
    flood: rate([FLOOD], headers.udp),
    rivalTcp: rate(RIVAL, headers.tcp),
    personal: rate(PERSONAL, headers.tcp),
    untrusted: rate(UNTRUSTED, headers.tcp),
  };
  const others = rates.personal + rates.untrusted;
  const ef =
    rates.workTcp + rates.flood + rates.rivalTcp + streamRate(voice, VOICE) + streamRate(video, VIDEO);
  return { voice, video, ...rates, others, all: others + ef };
}

function streamRow(
  latencies: readonly (readonly [number: number, latency: number])[],
  sent: number,
): StreamRow {
  return {
    ...spreadOfDelays(latencies.map(([, latency]) => (latency - PROVIDER_NS) / 1e6)),
    sent,
    lost: sent - latencies.length,
    reordered: reordered(latencies.map(([number]) => number)),
  };
}
