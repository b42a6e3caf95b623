// Owns what is to be reached under traffic: delay, loss, shares. Pure.
import type { BenchRow, Figure, SceneRow, StreamPhase } from './figures.js';
import { configuredShare, onTheWire } from './scene-facts.js';
import { SCENES, type Scene } from './scenes.js';
import { ourRow, percent } from './scene-tables.js';
import { spreadOf } from './statistics.js';
import { COMBINED_TARGETS } from './combined-targets.js';
import type { Reading, Target } from './verdict.js';

const EF_SHARE =
  'EF as a whole has half of what the shaper lets through, and what is above waits in its own queue';
const VIDEO_FLOOR =
  'the floor, 2.32 ms: a full frame of the others at 95 % of the line, above what a video packet needs on the idle line';

const ENCRYPTION =
  'the floor (a full packet of 1420 bytes and its 78 of overhead is on the line already), and the time in which the one processor encrypts and decrypts for others';
/** The scenes of the mixed load. */
const MIXED = ['mix-10-ip', 'mix-10-ip6', 'mix-1-ip', 'firewall-ip', 'firewall-ip6', 'hops-ip', 'hops-ip6'];

/** In the order of the list of what is to be reached. */
export const SCENE_TARGETS: readonly Target[] = [
  p99Target('mix-10-ip', 1.5, 'sys-net, IPv4'),
  p99Target('mix-10-ip6', 1.5, 'sys-net, IPv6'),
  p99Target('firewall-ip', 1.53, 'sys-firewall, IPv4'),
  p99Target('firewall-ip6', 1.53, 'sys-firewall, IPv6'),
  {
    text: 'EF max at 1 Mbit/s ≤ 14.6 ms',
    measure: (rows) => atMost(rows, 'mix-1-ip', 0, ({ max }) => max, 14.6, 2),
    limit: 'one full frame of somebody else on the line',
  },
  {
    text: 'shares within 5 % of the configured ratio',
    measure: (rows) => sharesOf(rows, MIXED),
    limit:
      'at 1 Mbit/s a phase of twelve seconds is 940 frames of which a TCP connection that starts again takes some tens',
  },
  {
    text: '≥ 93 % of the line used',
    measure: (rows) => usedOf(rows, MIXED),
    limit: 'the 5 % that the shaper leaves free',
  },
  ...callTargets(
    'call',
    'video call and voice, others saturate',
    { loss: 0, p99: 2.3, voice: 1.6 },
    VIDEO_FLOOR,
  ),
  ...callTargets('call-upload', 'the same qube also uploads as EF', { loss: 0.001, p99: 5 }, EF_SHARE),
  ...callTargets('call-flood-1', 'another granted qube floods EF in 1 flow', { loss: 0, p99: 5 }, EF_SHARE),
  ...callTargets('call-flood-20', 'the flood in 20 flows', { loss: 0, p99: 5 }, EF_SHARE),
  ...COMBINED_TARGETS,
  p99Target('wireguard-ip', 1.8, 'WireGuard, IPv4', ENCRYPTION),
  p99Target('wireguard-ip6', 1.8, 'WireGuard, IPv6 inside', ENCRYPTION),
];

function sceneOf(name: string): Scene {
  return Object.values(SCENES)
    .flat()
    .find((scene) => scene.name === name)!;
}

/** The median over the phases must not be above. */
function atMost(
  rows: readonly BenchRow[],
  scene: string,
  stream: number,
  figureOf: (phase: StreamPhase) => Figure,
  limit: number,
  digits: number,
): Reading {
  const phases = ourRow(rows, scene)?.streams[stream]?.phases;
  if (!phases) return undefined;
  const { median } = spreadOf(phases.map(figureOf));
  const { high } = spreadOf(phases.map(({ loss }) => loss));
  const lost = high !== null && high > 0 ? `, ${percent(high)} lost` : '';
  return {
    figure: `${median?.toFixed(digits) ?? 'none arrived'} ms${lost}`,
    isReached: median !== null && Number(median.toFixed(digits)) <= limit,
  };
}

function p99Target(
  scene: string,
  limit: number,
  where: string,
  what = 'a full frame that is on the line already',
): Target {
  return {
    text: `EF p99 at 10 Mbit/s, ${where} ≤ ${limit.toFixed(2)} ms`,
    measure: (rows) => atMost(rows, scene, 0, ({ p99 }) => p99, limit, 2),
    limit: what,
  };
}

/** The scenes of this list that were measured, each with a figure; the one for which it is largest. */
function worst(
  rows: readonly BenchRow[],
  scenes: readonly string[],
  figureOf: (row: SceneRow) => number,
): { readonly scene: string; readonly figure: number } | undefined {
  return scenes
    .flatMap((scene) => {
      const row = ourRow(rows, scene);
      return row ? [{ scene, figure: figureOf(row) }] : [];
    })
    .sort((a, b) => b.figure - a.figure)[0];
}

function sharesOf(rows: readonly BenchRow[], scenes: readonly string[]): Reading {
  const found = worst(rows, scenes, ({ scene, loads }) => {
    const median = loads.map(({ mbit }) => spreadOf(mbit).median ?? 0);
    const sum = median.reduce((total, mbit) => total + mbit, 0);
    const off = sceneOf(scene).loads.map(
      (load, index) => median[index]! / sum / configuredShare(sceneOf(scene), load.class) - 1,
    );
    return Math.max(...off.map(Math.abs));
  });
  return (
    found && {
      figure: `off by ${percent(found.figure)} at most (${found.scene})`,
      isReached: found.figure <= 0.05,
    }
  );
}

function usedOf(rows: readonly BenchRow[], scenes: readonly string[]): Reading {
  const found = worst(rows, scenes, ({ used }) => -(used ?? 0));
  return found && { figure: `${percent(-found.figure)} (${found.scene})`, isReached: -found.figure >= 0.93 };
}

/** Share of the line that the classes below EF must keep in all calls. */
const OTHERS_KEEP = 0.48;

function callTargets(
  scene: string,
  what: string,
  { loss, p99, voice }: { readonly loss: number; readonly p99: number; readonly voice?: number },
  limit: string,
): Target[] {
  const [VOICE, VIDEO] = [0, 1];
  const lossText = loss === 0 ? 'no loss' : `loss ≤ ${percent(loss)}`;
  const video: Target = {
    text: `${what}: video ${lossText}, in order, p99 ≤ ${p99} ms`,
    measure: (rows) => {
      const phases = ourRow(rows, scene)?.streams[VIDEO]?.phases;
      const reading = atMost(rows, scene, VIDEO, (phase) => phase.p99, p99, 2);
      if (!phases || !reading) return undefined;
      const lost = spreadOf(phases.map((phase) => phase.loss)).high ?? 1;
      const reordered = phases.reduce((sum, phase) => sum + phase.reordered, 0);
      const order = reordered === 0 ? '' : `, ${reordered} out of order`;
      return {
        figure: `${reading.figure}${order}`,
        isReached: reading.isReached && lost <= loss && reordered === 0,
      };
    },
    limit,
  };
  const others: Target = {
    text: `${what}: the other classes keep ≥ 48 % of the line`,
    measure: (rows) => {
      const loads = ourRow(rows, scene)?.loads;
      if (!loads) return undefined;
      const found = sceneOf(scene);
      const mbit = found.loads.reduce((sum, load, index) => {
        const payload = load.class === 'ef' ? 0 : (spreadOf(loads[index]!.mbit).median ?? 0);
        return sum + onTheWire(found, load, payload);
      }, 0);
      const share = (mbit * 1e6) / found.up;
      return { figure: percent(share), isReached: share >= OTHERS_KEEP };
    },
    limit,
  };
  const call: Target = {
    text: `${what}: voice p99 ≤ ${voice?.toFixed(1) ?? ''} ms`,
    measure: (rows) => atMost(rows, scene, VOICE, (phase) => phase.p99, voice ?? NaN, 2),
    limit: 'a frame of the video before it in the same queue',
  };
  return [video, ...(voice === undefined ? [] : [call]), others];
}
