// The bench's page from figures: tables, targets, plots; and that the committed page is what the committed figures make.
import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { costSections } from './cost-tables.js';
import type { Bench } from './figures.js';
import { markdownTable } from './markdown.js';
import { pageFiles } from './page.js';
import { BY_LENGTH, PARTS } from './parts.js';
import { plots } from './plots.js';
import { RECORDED } from './recorded.js';
import { floorMs } from './scene-facts.js';
import { SCENES } from './scenes.js';
import { sceneSections, summaryTable } from './scene-tables.js';
import { verdicts } from './targets.js';

const line = (text: string, start: string): string | undefined =>
  text.split('\n').find((one) => one.startsWith(`| ${start}`));

test('a table is aligned as plain text: names to the left, figures to the right', () => {
  expect(markdownTable(['design', 'ms'], [['no QoS', '479.80'], ['a']])).toBe(
    '| design |     ms |\n| ------ | -----: |\n| no QoS | 479.80 |\n| a      |        |\n',
  );
});

test('the floor is one full frame at 95 % of the line above the idle path', () => {
  const [scene] = SCENES['mix-10']!;
  expect(floorMs(scene!, 0.213)).toBeCloseTo(0.213 + (1514 * 8) / 9500, 6);
});

test('a scene shows median and spread of each design, the floor last', () => {
  const text = sceneSections(RECORDED);
  expect(
    line(text, '**htb+ets+cake**')
      ?.split('|')
      .map((cell) => cell.trim()),
  ).toEqual([
    ...['', '**htb+ets+cake**', '0.83 (0.83–0.85)', '1.45 (1.45–1.46)', '1.48 (1.48–2.57)', '0.0 %'],
    ...['6.79 (6.79–6.80)', '2.26 (2.26–2.27)', '94.1 %', ''],
  ]);
  expect(line(text, 'no QoS')).toContain('21.0 (19.7–24.3) %');
  expect(line(text, 'floor (computed)')).toContain('1.49');
});

test('the summary sets designs side by side, loss beside the delay of those that arrived', () => {
  const text = summaryTable(RECORDED);
  expect(line(text, 'no QoS')).toMatch(/494\.71, 21\.0 % lost/);
  expect(line(text, 'htb+ets+cake')).toMatch(/ 1\.45 \|$/);
});

test('costs are shown against what they are compared with', () => {
  const text = costSections(RECORDED);
  expect(line(text, 'bands of ours')).toMatch(/ -4\.6 % .* 451 \|$/);
  expect(line(text, 'swap')).toContain('31 of 5000');
  expect(line(text, '`qvm-qos list`')).toContain('1.30');
});

test('a target is reached, not reached or not measured by its figures alone', () => {
  const found = (start: string) => verdicts(RECORDED).find(({ target }) => target.startsWith(start))!;
  expect(found('EF p99 at 10 Mbit/s, sys-net, IPv4')).toMatchObject({ figure: '1.45 ms', isReached: true });
  expect(found('EF p99 at 10 Mbit/s, sys-net, IPv6').figure).toBeUndefined();
  expect(found('a swap of the tree')).toMatchObject({ figure: '31 in 4', isReached: false });
  expect(found('agent ≤ 12 MB')).toMatchObject({ figure: '12.4 MB after 1000', isReached: false });
  expect(found('time of a no-op linear')).toMatchObject({ isReached: true });
  expect(found('unshaped bands').figure).toBeUndefined();
  expect(found('the same without super-packets')).toMatchObject({ figure: '2.2 %', isReached: true });
  expect(found('no periodic wake-up')).toMatchObject({ isReached: true });
});

test('plots are whole SVG, name every design, and are the same text when made again', () => {
  const made = plots(RECORDED);
  expect(Object.keys(made)).toEqual(['delay.svg', 'p99.svg', 'shares.svg', 'reconcile.svg']);
  for (const svg of Object.values(made)) {
    expect(svg).toMatch(/^<svg [^]*<\/svg>$/);
    const tags = svg.match(/<[^>]*>/g)!;
    expect(
      tags.filter((tag) => !/^<(\/[\w:]+|!\[CDATA\[[^]*|[\w:]+(\s+[\w:-]+="[^"<]*")*\s*\/?)>$/.test(tag)),
    ).toEqual([]);
  }
  for (const design of ['idle line', 'no QoS', 'htb+ets+cake', 'floor 1.49 ms'])
    expect(made['delay.svg']).toContain(design);
  expect(plots(RECORDED)).toEqual(made);
});

test('the page names the commit of each part where they differ', () => {
  const of = (commit: string) => ({ commit, rows: RECORDED.slice(0, 1) });
  const page = (one: string, other: string) =>
    pageFiles({ version: 1, parts: { 'mix-10': of(one), vif: of(other) } })['bench.md'];
  expect(page('aaa', 'aaa')).toContain('with the programs of commit aaa: this page');
  expect(page('aaa', 'bbb')).toContain('commit aaa (mix-10) and the programs of commit bbb (vif)');
});

test('what failed is told on the page, beside all that did not; how long a run took, where it was one', () => {
  const parts = { 'mix-10': { commit: 'aaa', rows: RECORDED, seconds: 400 } };
  const page = pageFiles({ version: 1, parts, run: { seconds: 1700, processors: 2 } })['bench.md']!;
  expect(page).toContain('**Could not be measured:**\n\n- download-50, no QoS: ConnectionRefusedError\n');
  expect(page).toContain('took 28 minutes with 2 processors');
  expect(page).toContain('the longest part was mix-10 with 7.');
  expect(line(page, '**htb+ets+cake**')).toBeDefined();
});

test('every part is run once', () => {
  expect([...BY_LENGTH].sort()).toEqual(Object.keys(PARTS).sort());
});

test('docs/bench.md and its plots are what docs/bench.json makes', async () => {
  const bench = JSON.parse(await readFile('docs/bench.json', 'utf8')) as Bench;
  const files = pageFiles(bench);
  for (const [path, text] of Object.entries(files))
    expect(await readFile(`docs/${path}`, 'utf8'), path).toBe(text);
  const images = Object.keys(files).filter((path) => path.startsWith('bench/'));
  expect((await readdir('docs/bench')).map((name) => `bench/${name}`).sort()).toEqual(images.sort());
});
