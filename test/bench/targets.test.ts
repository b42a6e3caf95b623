// What is to be reached, from figures small enough to check by eye.
import { expect, test } from 'vitest';
import type { BenchRow, SceneRow } from './figures.js';
import { floorMs, onTheWire } from './scene-facts.js';
import { SCENES, type Scene } from './scenes.js';
import { verdicts, type Verdict } from './targets.js';

const sceneOf = (name: string): Scene =>
  Object.values(SCENES)
    .flat()
    .find((scene) => scene.name === name)!;

function ours(name: string, p99: readonly number[], mbit: readonly number[], more: Partial<SceneRow> = {}) {
  const scene = sceneOf(name);
  const row: SceneRow = {
    ...{ kind: 'scene', scene: name, design: 'htb+ets+cake', isOurs: true, used: 0.95 },
    streams: scene.streams.map((stream, index) => ({
      ...{ name: stream.name, quantiles: [] },
      phases: [{ p50: 1, p99: p99[index]!, max: 3, loss: 0, reordered: 0 }],
    })),
    loads: scene.loads.map((load, index) => ({ name: load.name, class: load.class, mbit: [mbit[index]!] })),
    ...more,
  };
  return row;
}

function verdict(start: string, rows: readonly BenchRow[]): Verdict {
  return verdicts(rows).find(({ target }) => target.startsWith(start))!;
}

test('every scene that is compared with a target exists, and every target has one sentence', () => {
  const texts = verdicts([]).map(({ target }) => target);
  expect(new Set(texts).size).toBe(texts.length);
  expect(verdicts([]).every(({ figure, limit }) => figure === undefined && limit !== '')).toBe(true);
});

test('a refused flood is judged by what changes against the same call without it', () => {
  const none = ours('refused-none', [1.5, 2.3], [3.6, 1.2]);
  const start = 'a flood marked EF by a qube that is cs1';
  expect(verdict(start, [none]).figure).toBeUndefined();
  const same = ours('refused-cs1', [1.52, 2.32], [3.55, 0.2, 1]);
  expect(verdict(start, [none, same])).toMatchObject({
    figure: 'voice p99 1.50 → 1.52, video p99 2.30 → 2.32, personal 3.60 → 3.55; 0.0 % lost',
    isReached: true,
  });
  for (const [p99, personal] of [
    [9, 3.6],
    [2.3, 2],
  ] as const)
    expect(verdict(start, [none, ours('refused-cs1', [1.5, p99], [personal, 1, 1])]).isReached).toBe(false);
});

test('everything at once is a round trip, and loses nothing', () => {
  const start = 'everything at once, the flood granted, IPv6';
  const name = 'everything-granted-ip6';
  const mbit = [1.7, 9, 3, 30, 2];
  const forwarded = { forwardHook: 4, received: 30_000 };
  expect(verdict(start, [ours(name, [5.9], mbit, { forwarded })])).toMatchObject({
    figure: '25.9 ms, 0.0 % lost, 4 of 30000 packets not offloaded',
    isReached: true,
  });
  expect(verdict(start, [ours(name, [6.2], mbit, { forwarded })]).isReached).toBe(false);
});

test('a download is not reached by figures alone while flows are not offloaded', () => {
  const start = 'download at 50';
  const idle: SceneRow = { ...ours('download-50', [0.3], [0, 0]), design: 'idle line', isOurs: false };
  const row = (forwardHook: number) =>
    ours('download-50', [2.3], [34, 11], { forwarded: { forwardHook, received: 30_000 } });
  expect(verdict(start, [idle, row(0)])).toMatchObject({ isReached: true });
  expect(verdict(start, [idle, row(20_000)])).toMatchObject({ isReached: false });
});

test('what the others keep is counted as frames', () => {
  expect(onTheWire(sceneOf('call'), sceneOf('call').loads[0]!, 14.48)).toBeCloseTo(15.14, 6);
  const start = 'the flood in 20 flows: the other classes keep';
  expect(verdict(start, [ours('call-flood-20', [1, 2], [7, 2.3, 5])])).toMatchObject({ figure: '48.6 %' });
});

test('the floor of a round trip has a frame each way', () => {
  const up = (1514 * 8) / 9500;
  const down = (1514 * 8) / 45_000;
  expect(floorMs(sceneOf('everything-ip'), 0.4)).toBeCloseTo(0.4 + up + down, 6);
});
