// Owns what is to be reached where several parts of the suite work together: enforcement, downloads, everything at once. Pure.
import type { BenchRow, Figure, SceneRow } from './figures.js';
import { IDLE } from './scenes.js';
import { ourRow, percent, rowsOf } from './scene-tables.js';
import { spreadOf } from './statistics.js';
import type { Reading, Target } from './verdict.js';

/** What is between the first and the last packet of a phase, and nobody's doing: shares and p99 may differ by so much. */
const SAME = 0.05;
/** What the provider adds there and back, ms. */
const PROVIDER_MS = 20;
/** Of the packets that sys-firewall has received: a connection takes some to get into the flowtable. */
const OFFLOADED = 0.01;
const [VOICE, VIDEO] = [0, 1];

/** In the order of the list of what is to be reached. */
export const COMBINED_TARGETS: readonly Target[] = [
  refusedTarget('refused-cs1', 'a flood marked EF by a qube that is cs1 changes nothing', true),
  refusedTarget('refused-cs0', 'by one that is cs0, as personal is, it changes nothing for the call', false),
  {
    text: 'download at 50 Mbit/s: EF RTT p99 ≤ 2.1 ms above idle, ≥ 90 % used, offload kept',
    measure: downloadReading,
    limit: 'bursts of TCP on the line before the shaper: what waits in the modem is out of its reach',
  },
  everythingTarget('everything-ip', 'the flood not granted, IPv4'),
  everythingTarget('everything-ip6', 'the flood not granted, IPv6'),
  everythingTarget('everything-granted-ip', 'the flood granted, IPv4'),
  everythingTarget('everything-granted-ip6', 'the flood granted, IPv6'),
];

/** The call beside the flood against the call without it, under the same enforcement; and whether another qube keeps its part. */
function refusedTarget(scene: string, text: string, isPersonalToKeep: boolean): Target {
  return {
    text,
    measure: (rows) => {
      const [without, beside] = [ourRow(rows, 'refused-none'), ourRow(rows, scene)];
      if (!without || !beside) return undefined;
      const changes = [
        { what: 'voice p99', ...ratio(p99Of(without, VOICE), p99Of(beside, VOICE)) },
        { what: 'video p99', ...ratio(p99Of(without, VIDEO), p99Of(beside, VIDEO)) },
        { what: 'personal', ...ratio(mbitOf(without, 'personal'), mbitOf(beside, 'personal')) },
      ];
      const lost = lossOf(beside);
      const texts = changes.map(({ what, from, to }) => `${what} ${from} → ${to}`);
      return {
        figure: `${texts.join(', ')}; ${percent(lost)} lost`,
        isReached:
          lost === 0 &&
          changes.every(({ what, isSame }) => isSame || (what === 'personal' && !isPersonalToKeep)),
      };
    },
    limit: 'what the first hop spends on packets that it takes down and drops',
  };
}

/** Less delay is no harm; a share is of the line, so that less for one would be more for another. */
function ratio(before: Figure, after: Figure): { from: string; to: string; isSame: boolean } {
  const text = (figure: Figure): string => figure?.toFixed(2) ?? 'none';
  const isSame = before !== null && after !== null && Math.abs(after / before - 1) <= SAME;
  return { from: text(before), to: text(after), isSame };
}

function downloadReading(rows: readonly BenchRow[]): Reading {
  const row = ourRow(rows, 'download-50');
  const idle = rowsOf(rows, 'download-50').find(({ design }) => design === IDLE);
  if (!row?.forwarded || !idle) return undefined;
  const [p99, idleP99] = [p99Of(row, VOICE), p99Of(idle, VOICE)];
  if (p99 === null || idleP99 === null) return undefined;
  const { forwardHook, received } = row.forwarded;
  const used = row.used ?? 0;
  return {
    figure: `${(p99 - idleP99).toFixed(2)} ms above idle, ${percent(used)} used, ${forwardHook} of ${received} packets not offloaded`,
    isReached: p99 - idleP99 <= 2.1 && used >= 0.9 && forwardHook <= received * OFFLOADED,
  };
}

function everythingTarget(scene: string, what: string): Target {
  return {
    text: `everything at once, ${what}: EF RTT p99 ≤ 26 ms, no loss`,
    measure: (rows) => {
      const row = ourRow(rows, scene);
      if (!row?.forwarded) return undefined;
      const p99 = p99Of(row, VOICE);
      const lost = lossOf(row);
      const { forwardHook, received } = row.forwarded;
      const rtt = p99 === null ? NaN : PROVIDER_MS + p99;
      return {
        figure: `${rtt.toFixed(1)} ms, ${percent(lost)} lost, ${forwardHook} of ${received} packets not offloaded`,
        isReached: rtt <= 26 && lost === 0,
      };
    },
    limit: 'the one processor of the guest, nearly full: all qubes, both NetVMs and the server run on it',
  };
}

function p99Of(row: SceneRow, stream: number): Figure {
  return spreadOf(row.streams[stream]!.phases.map(({ p99 }) => p99)).median;
}

/** Of all streams, the worst phase. */
function lossOf(row: SceneRow): number {
  return Math.max(...row.streams.flatMap(({ phases }) => phases.map(({ loss }) => loss)));
}

function mbitOf(row: SceneRow, name: string): Figure {
  return spreadOf(row.loads.find((load) => load.name === name)!.mbit).median;
}
