// Owns the tables of the scenes. Pure: rows of figures -> Markdown.
import type { BenchRow, Figure, SceneRow, StreamPhase } from './figures.js';
import { markdownTable } from './markdown.js';
import { floorMs, isRoundTrip } from './scene-facts.js';
import { IDLE, SCENES, type Scene } from './scenes.js';
import { spreadOf } from './statistics.js';

/** The one row that no design can beat. */
export const FLOOR = 'floor (computed)';

const ALL_SCENES = Object.values(SCENES).flat();

/** The rows of a scene, the idle line first. */
export function rowsOf(rows: readonly BenchRow[], scene: string): SceneRow[] {
  return rows.filter((row) => row.kind === 'scene').filter((row) => row.scene === scene);
}

/** The row of our default scheduler, which is the first of ours. */
export function ourRow(rows: readonly BenchRow[], scene: string): SceneRow | undefined {
  return rowsOf(rows, scene).find(({ isOurs }) => isOurs);
}

/** A figure of a stream over its phases: `1.45 (1.45-1.46)`, or only the first part where all are equal. */
export function spreadText(values: readonly Figure[], digits: number): string {
  const { median, low, high } = spreadOf(values);
  const text = (value: Figure): string => value?.toFixed(digits) ?? 'none arrived';
  return text(low) === text(high) ? text(median) : `${text(median)} (${text(low)}–${text(high)})`;
}

/** Design against scene: p99 of the first stream, and beside it what the scene is about. */
export function summaryTable(rows: readonly BenchRow[]): string {
  const scenes = ALL_SCENES.filter((scene) => rowsOf(rows, scene.name).length > 0);
  const designs = [...new Set(rows.filter((row) => row.kind === 'scene').map(({ design }) => design))];
  const body = designs
    .filter((design) => design !== IDLE)
    .map((design) => [
      design,
      ...scenes.map((scene) => {
        const row = rowsOf(rows, scene.name).find((one) => one.design === design);
        return row ? p99AndLoss(row) : '';
      }),
    ]);
  const floor = [FLOOR, ...scenes.map((scene) => floorOf(rows, scene)?.toFixed(2) ?? '')];
  return markdownTable(['EF p99, ms', ...scenes.map(({ name }) => name)], [...body, floor]);
}

function p99AndLoss({ streams: [first] }: SceneRow): string {
  const loss = spreadOf(first!.phases.map((phase) => phase.loss)).median ?? 0;
  const p99 = spreadOf(first!.phases.map((phase) => phase.p99)).median;
  return `${p99?.toFixed(2) ?? 'none arrived'}${loss > 0 ? `, ${percent(loss)} lost` : ''}`;
}

/** Everything of one scene. */
export function sceneTable(rows: readonly BenchRow[], scene: Scene): string {
  const found = rowsOf(rows, scene.name);
  const streams = scene.streams.map(({ name }) => name);
  const head = [
    'design',
    ...streams.flatMap((name) => [
      `${name} p50`,
      'p99',
      'max',
      'lost',
      ...(streams.length > 1 ? ['out of order'] : []),
    ]),
    ...scene.loads.map((load) => `${load.name} (${load.class})`),
    ...(scene.direction === 'both' ? ['up used', 'down used'] : ['line used']),
    ...(isRoundTrip(scene) ? ['processor busy', 'through the forward hook'] : []),
  ];
  const body = found.map((row) => [
    row.isOurs ? `**${row.design}**` : row.design,
    ...row.streams.flatMap(({ phases }) => streamCells(phases, streams.length > 1)),
    ...scene.loads.map((_, index) => {
      const load = row.loads[index];
      return load ? spreadText(load.mbit, 2) : '';
    }),
    ...lineCells(row, scene),
  ]);
  const floors = streams.flatMap((_, index) => {
    const cells = ['', '', floorOf(rows, scene, index)?.toFixed(2) ?? '', ''];
    return streams.length > 1 ? [...cells, ''] : cells;
  });
  const floorRow = [FLOOR, ...floors];
  return markdownTable(head, [...body, floorRow]);
}

function lineCells({ used, usedDown = null, busy = null, forwarded }: SceneRow, scene: Scene): string[] {
  const share = (figure: Figure): string => (figure === null ? '' : percent(figure));
  const hook = forwarded ? `${forwarded.forwardHook} of ${forwarded.received}` : '';
  return [
    share(used),
    ...(scene.direction === 'both' ? [share(usedDown)] : []),
    ...(isRoundTrip(scene) ? [share(busy), hook] : []),
  ];
}

function streamCells(phases: readonly StreamPhase[], withOrder: boolean): string[] {
  const cells = [
    spreadText(
      phases.map(({ p50 }) => p50),
      2,
    ),
    spreadText(
      phases.map(({ p99 }) => p99),
      2,
    ),
    spreadText(
      phases.map(({ max }) => max),
      2,
    ),
    `${spreadText(
      phases.map(({ loss }) => loss * 100),
      1,
    )} %`,
  ];
  return withOrder
    ? [
        ...cells,
        spreadText(
          phases.map(({ reordered }) => reordered),
          0,
        ),
      ]
    : cells;
}

/** The floor of a stream from the idle row of its scene; undefined when that was not measured. */
export function floorOf(rows: readonly BenchRow[], scene: Scene, stream = 0): number | undefined {
  const idle = rowsOf(rows, scene.name).find(({ design }) => design === IDLE);
  const p50 = idle?.streams[stream]?.phases[0]?.p50;
  return p50 === undefined || p50 === null ? undefined : floorMs(scene, p50);
}

/** The tables of all scenes that were measured. */
export function sceneSections(rows: readonly BenchRow[]): string {
  return ALL_SCENES.filter((scene) => rowsOf(rows, scene.name).length > 0)
    .map((scene) => `### ${scene.name}: ${scene.title}\n\n${sceneTable(rows, scene)}`)
    .join('\n');
}

/** A sentence for each row and part that could not be measured; empty when all could. */
export function failures(rows: readonly BenchRow[]): string {
  return rows
    .filter((row) => row.kind === 'failed')
    .map(({ what, why }) => `- ${what}: ${why}\n`)
    .join('');
}

/** A share as percent with one digit. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
