// Owns the plots of the bench, as SVG made without a browser. Pure: rows of figures -> text.
import * as echarts from 'echarts';
import { CLASSES } from '@qubes-qos/core/classes';
import { rowsOfKind } from './cost-tables.js';
import type { BenchRow, SceneRow } from './figures.js';
import { IDLE, SCENES, type Scene } from './scenes.js';
import { floorOf, rowsOf } from './scene-tables.js';
import { QUANTILES, spreadOf } from './statistics.js';

const WIDTH = 1000;
const HEIGHT = 480;
const OURS_COLOUR = '#1a7f37';
/** Okabe and Ito, told apart by everybody, and darker ones of them for what is left. */
const COLOURS = [
  ...['#000000', '#d55e00', '#e69f00', '#0072b2', '#56b4e9', '#cc79a7', '#999999', '#f0e442'],
  ...['#7b3f00', '#5b2a86', '#00695c', '#455a64'],
];
/** A column of names beside the plot: nothing here measures text, and a row of names would overlap in another font. */
const LEGEND = { orient: 'vertical', right: 10, top: 'middle' } as const;
const LEGEND_WIDTH = 270;
const FONT = 'Arial, Helvetica, sans-serif';

/** File name -> SVG. Plots whose rows were not measured are left out. */
export function plots(rows: readonly BenchRow[]): Record<string, string> {
  const made = {
    'delay.svg': delayPlot(rows, 'mix-10-ip'),
    'delay-wireguard.svg': delayPlot(rows, 'wireguard-ip'),
    'p99.svg': p99Plot(rows),
    'shares.svg': sharesPlot(rows, 'mix-10-ip'),
    'shares-flood.svg': sharesPlot(rows, 'flood-10'),
    'reconcile.svg': reconcilePlot(rows),
  };
  return Object.fromEntries(
    Object.entries(made).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** How delay is distributed in a scene: share of the packets against milliseconds. */
function delayPlot(rows: readonly BenchRow[], name: string): string | undefined {
  const scene = sceneOf(name);
  const found = rowsOf(rows, name);
  if (found.length === 0) return undefined;
  const floor = floorOf(rows, scene);
  const lines = found.map((row) => ({
    ...{ type: 'line' as const, name: row.design, showSymbol: false },
    lineStyle: {
      width: row.isOurs ? 3 : 1.5,
      type: row.design === IDLE ? ('dashed' as const) : ('solid' as const),
    },
    data: row.streams[0]!.quantiles.map((ms, index) => [ms, QUANTILES[index]! * 100]),
    ...(row === found[0] && floor !== undefined ? { markLine: floorLine(floor, 'xAxis') } : {}),
  }));
  return draw({
    color: coloursOf(found.map(({ design, isOurs }) => ({ design, isOurs }))),
    title: { text: `EF delay: ${scene.title}`, left: 'center', textStyle: { fontSize: 15 } },
    legend: LEGEND,
    grid: { left: 60, right: LEGEND_WIDTH, top: 60, bottom: 60 },
    xAxis: { type: 'log', name: 'ms above the provider', nameLocation: 'middle', nameGap: 28, min: 0.1 },
    yAxis: { ...axis('% of the packets that arrived'), max: 100 },
    series: lines,
  });
}

/** p99 of EF in every scene, design beside design. */
function p99Plot(rows: readonly BenchRow[]): string | undefined {
  const scenes = Object.values(SCENES)
    .flat()
    .filter((scene) => scene.direction === 'up' && rowsOf(rows, scene.name).length > 0);
  if (scenes.length === 0) return undefined;
  const designs = new Map(
    scenes.flatMap((scene) => rowsOf(rows, scene.name)).map(({ design, isOurs }) => [design, isOurs]),
  );
  designs.delete(IDLE);
  const compared = [...designs].filter(([design]) =>
    scenes.every((scene) => hasRow(rows, scene, design) || scene.compared !== 'all'),
  );
  const main = compared.filter(([design]) =>
    scenes.some((scene) => scene.compared !== 'all' && hasRow(rows, scene, design)),
  );
  return draw({
    color: [...coloursOf(main.map(([design, isOurs]) => ({ design, isOurs }))), '#666666'],
    title: { text: 'EF p99, median of three phases', left: 'center', textStyle: { fontSize: 15 } },
    legend: LEGEND,
    grid: { left: 60, right: LEGEND_WIDTH, top: 50, bottom: 90 },
    xAxis: { type: 'category', data: scenes.map(({ name }) => name), axisLabel: { interval: 0, rotate: 20 } },
    yAxis: { type: 'log', name: 'ms', min: 0.1 },
    series: [
      ...main.map(([design]) => ({
        ...{ type: 'bar' as const, name: design },
        data: scenes.map(
          (scene) => p99Of(rowsOf(rows, scene.name).find((row) => row.design === design)) ?? '-',
        ),
      })),
      {
        ...{ type: 'scatter' as const, name: 'floor (computed)', symbol: 'rect', symbolSize: [50, 2] },
        data: scenes.map((scene) => floorOf(rows, scene) ?? '-'),
      },
    ],
  });
}

/** What each class got of the line. */
function sharesPlot(rows: readonly BenchRow[], name: string): string | undefined {
  const scene = sceneOf(name);
  const found = rowsOf(rows, name).filter(({ design }) => design !== IDLE);
  if (found.length === 0) return undefined;
  const classes = CLASSES.filter((one) => scene.loads.some((load) => load.class === one.name));
  return draw({
    color: ['#d55e00', '#0072b2', '#56b4e9', '#999999'].slice(-classes.length),
    title: { text: `What the classes got: ${scene.title}`, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0 },
    grid: { left: 250, right: 30, top: 50, bottom: 70 },
    xAxis: { type: 'value', name: 'Mbit/s of payload', nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'category', inverse: true, data: found.map(({ design }) => design) },
    series: classes.map((one) => ({
      ...{ type: 'bar' as const, stack: 'line', name: one.name },
      data: found.map(({ loads }) =>
        round(
          loads
            .filter((load) => load.class === one.name)
            .reduce((sum, { mbit }) => sum + (spreadOf(mbit).median ?? 0), 0),
        ),
      ),
    })),
  });
}

/** Time of a pass against the number of vifs. */
function reconcilePlot(rows: readonly BenchRow[]): string | undefined {
  const found = rowsOfKind(rows, 'reconcile');
  if (found.length === 0) return undefined;
  const passes = [...new Set(found.map(({ pass }) => pass))];
  return draw({
    color: COLOURS.slice(3),
    title: { text: 'One pass of the agent, 500 MIPS', left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0 },
    grid: { left: 70, right: 30, top: 50, bottom: 80 },
    xAxis: { type: 'value', name: 'vifs', nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'value', name: 'ms' },
    series: passes.map((pass) => ({
      ...{ type: 'line' as const, name: pass },
      data: found.filter((row) => row.pass === pass).map(({ vifs, ms }) => [vifs, round(ms)]),
    })),
  });
}

function draw(option: echarts.EChartsCoreOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return withStableNames(svg);
}

/** echarts numbers clips and styles through the life of the process: the same plot must be the same text. */
function withStableNames(svg: string): string {
  const names = new Map<string, string>();
  return svg.replaceAll(/zr\d+-([a-z]+)-?\d+/g, (name, kind: string) => {
    const known = names.get(name) ?? `zr-${kind}-${names.size}`;
    names.set(name, known);
    return known;
  });
}

/** An axis of numbers, named along it. */
function axis(name: string) {
  return { type: 'value' as const, name, nameLocation: 'middle' as const, nameGap: 40 };
}

function floorLine(floor: number, axis: 'xAxis') {
  return {
    ...{ symbol: 'none', silent: true, lineStyle: { color: '#666666', type: 'dotted' as const, width: 2 } },
    label: { formatter: `floor ${floor.toFixed(2)} ms`, position: 'end' as const },
    data: [{ [axis]: floor }],
  };
}

function coloursOf(designs: readonly { readonly design: string; readonly isOurs: boolean }[]): string[] {
  const first = designs.findIndex(({ isOurs }) => isOurs);
  return designs.map((_, index) => (index === first ? OURS_COLOUR : COLOURS[index % COLOURS.length]!));
}

function hasRow(rows: readonly BenchRow[], scene: Scene, design: string): boolean {
  return rowsOf(rows, scene.name).some((row) => row.design === design);
}

function p99Of(row: SceneRow | undefined): number | null | undefined {
  return row && spreadOf(row.streams[0]!.phases.map(({ p99 }) => p99)).median;
}

function sceneOf(name: string): Scene {
  return Object.values(SCENES)
    .flat()
    .find((scene) => scene.name === name)!;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
