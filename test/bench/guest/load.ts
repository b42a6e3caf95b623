// Owns the traffic of a scene: marks by port, senders in the qubes, and what arrived of each stream and load.
import { YIELDING } from '../../lab/guest/downloads.js';
import { enter, inQube, inQubeWith } from '../../lab/guest/namespaces.js';
import { SERVER } from '../../lab/guest/qubes.js';
import { start, until, type Background } from '../../lab/guest/run.js';
import type { LoadFigures, StreamFigures } from '../figures.js';
import { comesDown, isRoundTrip } from '../scene-facts.js';
import { type Load, type Scene, type Stream } from '../scenes.js';
import { streamFigures } from '../statistics.js';
import { sampleLine, type LineFigures } from './sample.js';

export interface Timing {
  /** From the start of the loads to the first phase: everybody has started Python, TCP has filled the queue. */
  readonly warmUpMs: number;
  /** Shift of the streams against everything else in each phase: the only source of a spread in virtual time. */
  readonly phasesMs: readonly number[];
  /** Length of a phase, seconds. */
  readonly seconds: number;
}

export interface Measured extends LineFigures {
  readonly streams: readonly StreamFigures[];
  readonly loads: readonly LoadFigures[];
}

/** Between two phases and after the last, longer than anything waits in the modem. */
export const DRAIN_MS = 700;
/** UDP starts when TCP has connected, so that nobody's start decides what a whole row shows. */
const TCP_FIRST_MS = 1500;
/** To the server, and to the server and back, ms: what the provider adds. */
const PROVIDER_MS = { way: 10, roundTrip: 20 } as const;
/** Python starts, on a processor that nobody else uses yet. */
const SERVER_PATIENCE_MS = 10_000;

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

/**
 * Runs the traffic of a scene, with its loads or without, through all phases.
 * @throws Error when a program of it fails, after all of them have ended.
 */
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
  const end = phases.at(-1)![1];
  const serve = { do: 'serve', phases, until: end + nanoseconds(DRAIN_MS) };
  const servers = [
    python('internet', { ...serve, ...serverPorts(scene, loads) }, YIELDING),
    ...(isRoundTrip(scene) ? [startEcho(scene, serve)] : []),
  ];
  await until(
    'the server listens',
    () => servers.every((server) => server.output() !== '' || server.ended() !== undefined),
    SERVER_PATIENCE_MS,
  );
  const common = { host, phases, until: end, from: nanoseconds(begin - timing.warmUpMs + TCP_FIRST_MS) };
  const programs = [
    ...servers,
    ...loads.flatMap((load, index) => startLoad(scene, load, index, common)),
    ...scene.streams.map((stream, index) => startStream(scene, stream, index, phases, timing)),
  ];
  const lastMs = begin + (timing.phasesMs.length - 1) * (timing.seconds * 1000 + DRAIN_MS);
  const isSampled = loads.length > 0 && phases.length > 1;
  const line: Promise<LineFigures> = isSampled
    ? sampleLine(scene, begin, lastMs)
    : Promise.resolve({ used: null });
  const answers = programs.map(answerOf);
  // Whatever fails, nothing of this scene may go on into the next.
  await Promise.allSettled([line, ...answers]);
  const texts = await Promise.all(answers);
  return { ...collect(scene, loads, timing, texts.flatMap(answersIn)), ...(await line) };
}

/** What the programs print; keys are ports. */
interface Answer {
  readonly bytes?: Readonly<Record<string, readonly number[]>>;
  /** Phase, number, latency in ns. */
  readonly arrivals?: Readonly<Record<string, readonly (readonly [number, number, number])[]>>;
}

function answersIn(text: string): Answer[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Answer);
}

function serverPorts(scene: Scene, loads: readonly Load[]) {
  const tcp = (isDown: boolean): number[] =>
    loads.flatMap((load, index) => (comesDown(scene, load) === isDown ? tcpPorts(load, index) : []));
  const streams = scene.streams.map((_, index) => streamPort(index));
  return {
    tcp: tcp(false),
    source: tcp(true),
    udp: loads.flatMap(udpPorts),
    streams: isRoundTrip(scene) ? [] : streams,
    echo: [],
  };
}

/** Who is called answers at once: it is not the machine that the downloads come from. */
function startEcho(scene: Scene, serve: object): Background {
  const echo = scene.streams.map((_, index) => streamPort(index));
  return python('internet', { ...serve, tcp: [], source: [], udp: [], streams: [], echo }, AT_ONCE);
}

const AT_ONCE = ['chrt', '--fifo', '1'] as const;

function startLoad(
  scene: Scene,
  load: Load,
  index: number,
  common: {
    readonly host: string;
    readonly from: Nanoseconds;
    readonly until: Nanoseconds;
    readonly phases: readonly unknown[];
  },
): Background[] {
  const size = scene.family === 'ip' ? 1472 : 1452;
  // Fragments would be two packets of which only one has ports.
  const bytes = scene.place === 'wireguard' ? size - 80 : size;
  const tcp = { do: comesDown(scene, load) ? 'sink' : 'tcp', ports: tcpPorts(load, index), ...common };
  const udp = { do: 'udp', ports: udpPorts(load, index), rate: load.udp?.rate, size: bytes, ...common };
  return [
    ...(load.tcp > 0 ? [python(load.qube, tcp, YIELDING)] : []),
    ...(load.udp === undefined ? [] : [python(load.qube, udp, YIELDING)]),
  ];
}

function startStream(
  scene: Scene,
  stream: Stream,
  index: number,
  phases: readonly (readonly [Nanoseconds, Nanoseconds])[],
  timing: Timing,
): Background {
  return python(stream.qube, {
    do: isRoundTrip(scene) ? 'call' : 'stream',
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
): Pick<Measured, 'streams' | 'loads'> {
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
          addedMs: latency / 1e6 - PROVIDER_MS[isRoundTrip(scene) ? 'roundTrip' : 'way'],
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

function python(qube: string, plan: object, priority: readonly string[] = []): Background {
  const text = JSON.stringify(plan, (_, value: unknown) => (typeof value === 'bigint' ? `@${value}` : value));
  // JSON has integers of any length, JavaScript's writer has not.
  return start(...enter(qube), ...priority, 'python3', '/lab/bench.py', text.replaceAll(/"@(\d+)"/g, '$1'));
}

/** What a program printed, once it has ended. */
async function answerOf(program: Background): Promise<string> {
  await program.done();
  const output = program.output();
  if (program.ended() === 0) return output;
  console.error(output);
  throw new Error(`a program of the traffic failed: ${output.trim().split('\n').at(-1) ?? ''}`);
}
