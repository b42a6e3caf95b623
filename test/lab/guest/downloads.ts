// Owns downloads as a measurement: what clients get, and how long a packet and its answer take meanwhile.
import { enter, inQube, startInQube } from './namespaces.js';
import { SERVER } from './qubes.js';
import { start, type Background } from './run.js';
import { spreadOfDelays } from './statistics.js';
import type { Family } from './traffic.js';

const PORT = 7200;
/** Until TCP has found the rate, milliseconds. */
const WARM_UP_MS = 4000;
const PING_MS = 20;

/** The guest has one slow processor: packets go before the programs that make and take them. */
export const YIELDING = ['nice', '-n', '19'] as const;

/** What was measured. Rates are payload, Mbit a second; times are milliseconds of a whole round trip. */
export interface DownloadRow {
  readonly mbit: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Pings without an answer. */
  readonly lost: number;
}

/** Starts the server's side, for the whole life of the guest. */
export function servePulls(): void {
  startInQube('internet', ...YIELDING, 'python3', '/lab/pull.py', 'push', String(PORT));
}

/** One connection that takes what it can get, for some seconds. */
export function startPull(qube: string, family: Family, seconds: number): Background {
  const from = BigInt(Date.now()) * 1_000_000n;
  const until = from + BigInt(seconds) * 1_000_000_000n;
  const args = ['pull', SERVER[family], String(PORT), '1', String(from), String(until)];
  return start(...enter(qube), ...YIELDING, 'python3', '/lab/pull.py', ...args);
}

/**
 * Lets qubes download while `work` pings the server.
 * @param connections - how many each qube has.
 */
export async function measureDownloads(
  family: Family,
  connections: Readonly<Record<string, number>>,
  seconds: number,
): Promise<DownloadRow> {
  const from = BigInt(Date.now() + WARM_UP_MS) * 1_000_000n;
  const until = from + BigInt(seconds) * 1_000_000_000n;
  const pulls = Object.entries(connections).map(async ([qube, count]): Promise<[string, number]> => {
    const times = [String(from), String(until)];
    const args = ['pull', SERVER[family], String(PORT), String(count), ...times];
    const pull = start(...enter(qube), ...YIELDING, 'python3', '/lab/pull.py', ...args);
    await pull.done();
    if (pull.ended() !== 0) throw new Error(`pull in ${qube}: ${pull.output()}`);
    return [qube, (Number(pull.output()) * 8) / seconds / 1e6];
  });
  const count = Math.floor((seconds * 1000) / PING_MS);
  const waitMs = Number(from / 1_000_000n) - Date.now();
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  const printed = await inQube(
    'work',
    ...['ping', '-i', '0.02', '-W', '1', '-c', String(count), SERVER[family]],
  );
  const times = [...printed.matchAll(/time=([\d.]+) ms/g)].map(([, text]) => Number(text));
  return {
    mbit: Object.fromEntries(await Promise.all(pulls)),
    ...spreadOfDelays(times),
    lost: count - times.length,
  };
}
