// Owns the traffic of a scene: marks by port, senders in the qubes, and what arrived of each stream and load.
import { enter, inQube, inQubeWith } from '../../lab/guest/namespaces.js';
import { NIC, SERVER } from '../../lab/guest/qubes.js';
import { sleep, start } from '../../lab/guest/run.js';
import type { Figure, LoadFigures, StreamFigures } from '../figures.js';
import type { Load, Scene, Stream } from '../scenes.js';
import { streamFigures } from '../statistics.js';

export interface Timing {
  /** From the start of the loads to the first phase: everybody has started Python, TCP has filled the queue. */
  readonly warmUpMs: number;
  /** Shift of the streams against everything else in each phase: the only source of a spread in virtual time. */
  readonly phasesMs: readonly number[];
  /** Length of a phase, seconds. */
  readonly seconds: number;
}

export interface Measured {
  readonly streams: readonly StreamFigures[];
  readonly loads: readonly LoadFigures[];
  readonly used: Figure;
}

/** Between two phases and after the last, longer than anything waits in the modem. */
const DRAIN_MS = 700;
/** To the server and back, ms: what the provider adds. */
const PROVIDER_MS = { up: 10, down: 20 } as const;

const streamPort = (index: number): number => 9100 + index;
const tcpPorts = (load: Load, index: number): number[] =>
  Array.from({ length: load.tcp }, (_, flow) => 7000 + 100 * index + flow);
const udpPorts = (load: Load, index: number): number[] =>
  Array.from({ length: load.udp?.flows ?? 0 }, (_, flow) => 8000 + 100 * index + flow);

/** Marks what each stream and load of the scene sends; nothing else. */
export async function markScene(scene: Scene): Promise<void> {
  const flows = [
    ...scene.streams.map((stream, index) => ({ ...stream, ports: [streamPort(index)] })),
    ...scene.loads.map((load, index) => ({
      ...load,
      ports: [...tcpPorts(load, index), ...udpPorts(load, index)],
    })),
  ];
  for (const qube of ['work', 'personal', 'untrusted']) {
    const rules = flows
      .filter((flow) => flow.qube === qube)
      .flatMap(({ ports, class: name }) => {
        const match = `meta l4proto { tcp, udp } th dport { ${ports.join(', ')} }`;
        return [`${match} ip dscp set ${name}`, `${match} ip6 dscp set ${name}`];
      });
    const chain = `chain out {\ntype filter hook output priority mangle; policy accept;\n${rules.join('\n')}\n}`;
    const script = `table inet bench {}\ndelete table inet bench\ntable inet bench {\n${chain}\n}\n`;
    await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
  }
}

/** Runs the traffic of a scene, with its loads or without, through all phases. */
export async function runScene(scene: Scene, withLoads: boolean, timing: Timing): Promise<Measured> {
  const host = SERVER[scene.family];
  // The first packet of a path waits for the addresses of the neighbours, which is nobody's queue.
  for (const { qube } of scene.streams) await inQube(qube, 'ping', '-q', '-c', '1', '-W', '2', host);
  const loads = withLoads ? scene.loads : [];
  const begin = Date.now() + timing.warmUpMs;
  const phases = timing.phasesMs.map((_, index) => {
    const from = begin + index * (timing.seconds * 1000 + DRAIN_MS);
    return [nanoseconds(from), nanoseconds(from + timing.seconds * 1000)] as const;
  });
  const until = phases.at(-1)![1];
  const common = { host, phases, until };
  const server = python('internet', {
    ...serverPorts(scene, loads),
    ...{ do: 'serve', phases, until: until + nanoseconds(DRAIN_MS) },
  });
  const senders = loads.flatMap((load, index) => startLoad(scene, load, index, common));
  const streams = scene.streams.map((stream, index) => startStream(scene, stream, index, phases, timing));
  const programs = Promise.all([server, ...senders, ...streams]);
  const used = loads.length === 0 || phases.length < 2 ? null : await usedLine(scene, begin, timing);
  const answers = (await programs).filter((text) => text !== '');
  const figures = collect(
    ...([scene, loads, timing] as const),
    answers.map((text) => JSON.parse(text) as Answer),
  );
  return { ...figures, used };
}

/** Share of the line used from just before the first phase until the pause before the last: the loads send all the time. */
async function usedLine(scene: Scene, begin: number, timing: Timing): Promise<number> {
  const [qube, dev] = scene.direction === 'up' ? (['isp', 'modem0'] as const) : (['sys-net', NIC] as const);
  const sample = async () => ({
    atMs: performance.now(),
    bytes: Number(await inQube(qube, 'cat', `/sys/class/net/${dev}/statistics/rx_bytes`)),
  });
  const phaseMs = timing.seconds * 1000 + DRAIN_MS;
  await sleep(begin - SAMPLE_EARLY_MS - Date.now());
  const before = await sample();
  await sleep(begin + (timing.phasesMs.length - 1) * phaseMs - SAMPLE_EARLY_MS - Date.now());
  const after = await sample();
  return ((after.bytes - before.bytes) * 8) / (((after.atMs - before.atMs) / 1000) * scene[scene.direction]);
}

/** Reading takes the processor for some milliseconds, which no stream is to see. */
const SAMPLE_EARLY_MS = 200;

/** What the programs print; keys are ports. */
interface Answer {
  readonly bytes?: Readonly<Record<string, readonly number[]>>;
  /** Phase, number, latency in ns. */
  readonly arrivals?: Readonly<Record<string, readonly (readonly [number, number, number])[]>>;
}

function serverPorts(scene: Scene, loads: readonly Load[]) {
  const isUp = scene.direction === 'up';
  const tcp = loads.flatMap(tcpPorts);
  const streams = scene.streams.map((_, index) => streamPort(index));
  return {
    tcp: isUp ? tcp : [],
    source: isUp ? [] : tcp,
    udp: loads.flatMap(udpPorts),
    streams: isUp ? streams : [],
    echo: isUp ? [] : streams,
  };
}

function startLoad(
  scene: Scene,
  load: Load,
  index: number,
  common: { readonly host: string; readonly until: Nanoseconds; readonly phases: readonly unknown[] },
): Promise<string>[] {
  const size = scene.family === 'ip' ? 1472 : 1452;
  // Fragments would be two packets of which only one has ports.
  const bytes = scene.place === 'wireguard' ? size - 80 : size;
  const tcp = { do: scene.direction === 'up' ? 'tcp' : 'sink', ports: tcpPorts(load, index), ...common };
  const udp = { do: 'udp', ports: udpPorts(load, index), rate: load.udp?.rate, size: bytes, ...common };
  return [
    ...(load.tcp > 0 ? [python(load.qube, tcp)] : []),
    ...(load.udp === undefined ? [] : [python(load.qube, udp)]),
  ];
}

function startStream(
  scene: Scene,
  stream: Stream,
  index: number,
  phases: readonly (readonly [Nanoseconds, Nanoseconds])[],
  timing: Timing,
): Promise<string> {
  return python(stream.qube, {
    do: scene.direction === 'up' ? 'stream' : 'call',
    host: SERVER[scene.family],
    port: streamPort(index),
    starts: phases.map(([from], phase) => from + nanoseconds(timing.phasesMs[phase]!)),
    count: packetsOf(stream, timing),
    interval: Math.round(stream.intervalMs * 1e6),
    size: stream.bytes,
    until: phases.at(-1)![1] + nanoseconds(DRAIN_MS),
  });
}

function packetsOf(stream: Stream, timing: Timing): number {
  return Math.floor((timing.seconds * 1000) / stream.intervalMs);
}

function collect(
  scene: Scene,
  loads: readonly Load[],
  timing: Timing,
  answers: readonly Answer[],
): Omit<Measured, 'used'> {
  const bytes = Object.assign({}, ...answers.map((answer) => answer.bytes)) as NonNullable<Answer['bytes']>;
  const arrivals = Object.assign({}, ...answers.map((answer) => answer.arrivals)) as NonNullable<
    Answer['arrivals']
  >;
  const mbit = (ports: readonly number[], phase: number): number =>
    (ports.reduce((sum, port) => sum + (bytes[port]?.[phase] ?? 0), 0) * 8) / timing.seconds / 1e6;
  return {
    streams: scene.streams.map((stream, index) =>
      streamFigures(
        stream.name,
        (arrivals[streamPort(index)] ?? []).map(([phase, number, latency]) => ({
          ...{ phase, number },
          addedMs: latency / 1e6 - PROVIDER_MS[scene.direction],
        })),
        timing.phasesMs.length,
        packetsOf(stream, timing),
      ),
    ),
    loads: loads.map((load, index) => ({
      name: load.name,
      class: load.class,
      mbit: timing.phasesMs.map((_, phase) =>
        mbit([...tcpPorts(load, index), ...udpPorts(load, index)], phase),
      ),
    })),
  };
}

/** A bigint: nanoseconds since 1970 do not fit a number. */
type Nanoseconds = bigint;

function nanoseconds(ms: number): Nanoseconds {
  return BigInt(Math.round(ms * 1000)) * 1000n;
}

async function python(qube: string, plan: object): Promise<string> {
  const text = JSON.stringify(plan, (_, value: unknown) => (typeof value === 'bigint' ? `@${value}` : value));
  // JSON has integers of any length, JavaScript's writer has not.
  const program = start(...enter(qube), 'python3', '/lab/bench.py', text.replaceAll(/"@(\d+)"/g, '$1'));
  await program.done();
  if (program.ended() !== 0) throw new Error(`traffic in ${qube} (${text}): ${program.output()}`);
  return program.output();
}
