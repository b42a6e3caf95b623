// The command of the bench: runs all parts and writes docs/bench*, or runs one part and prints it.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { command } from '../lab/host/command.js';
import { LabError } from '../lab/host/host-error.js';
import { inRepository } from '../lab/host/paths.js';
import { costSections } from './cost-tables.js';
import type { Bench, BenchRow, PartFigures } from './figures.js';
import { measurePart } from './guests.js';
import { pageFiles, rounded } from './page.js';
import { BY_LENGTH, PARTS } from './parts.js';
import { failures, sceneSections, spreadText } from './scene-tables.js';

const USAGE = `usage: npm run bench                     measure everything; writes docs/bench.md, docs/bench.json, docs/bench/*.svg
       npm run bench -- --only PART      measure one part and print it
       npm run bench -- --update PART    measure it again, and write the page with the other parts as they are
       npm run bench -- --list           name the parts
       npm run bench -- --render         write the page and the plots from docs/bench.json again
`;

/** A guest has one processor. */
const AT_A_TIME = 2;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      update: { type: 'string', multiple: true },
      list: { type: 'boolean' },
      render: { type: 'boolean' },
    },
  });
  if (values.list === true) {
    for (const [name, what] of Object.entries(PARTS)) console.log(`${name.padEnd(10)} ${what}`);
    return 0;
  }
  if (values.only !== undefined) return printPart(values.only);
  if (values.render === true) return write(await published());
  if (values.update === undefined) return measureAll();
  values.update.forEach(assertPart);
  return measure(values.update, await published());
}

async function printPart(part: string): Promise<number> {
  assertPart(part);
  const rows = await measurePart(part, say(part));
  const failed = failures(rows);
  console.log(
    [sceneSections(rows), costSections(rows), failed && `Failed:\n\n${failed}`]
      .filter((text) => text !== '')
      .join('\n'),
  );
  return failed === '' ? 0 : 1;
}

function assertPart(part: string): void {
  if (part in PARTS) return;
  const expected = Object.keys(PARTS).join(', ');
  throw new LabError(`the bench has no part ${JSON.stringify(part)}: expected ${expected}.`);
}

/** Measures all parts, and how long that takes. */
async function measureAll(): Promise<number> {
  const start = performance.now();
  await measure(BY_LENGTH, { version: 1, parts: {} });
  const bench = await published();
  return write({ ...bench, run: { seconds: secondsSince(start), processors: availableParallelism() } });
}

/** Measures parts, some at a time, in the order given; after each the page is written, so that a run cut short keeps what it has. */
async function measure(names: readonly string[], before: Bench): Promise<number> {
  const log = ['git', 'log', '-1', '--format=%h', '--', 'packages'] as const;
  const commit = (await command([...log], inRepository())).trim();
  const waiting = [...names];
  const parts: Record<string, PartFigures> = { ...before.parts };
  let written = Promise.resolve(0);
  const work = async () => {
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      const start = performance.now();
      // As they will be read back, so that the page is what bench.json makes.
      const rows = JSON.parse(JSON.stringify(await measurePart(part, say(part)), rounded)) as BenchRow[];
      parts[part] = { commit, seconds: secondsSince(start), rows };
      written = written.then(() => write({ ...before, parts: { ...parts } }));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return written;
}

function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 1000);
}

async function published(): Promise<Bench> {
  return JSON.parse(await readFile(inRepository('docs/bench.json'), 'utf8')) as Bench;
}

async function write(bench: Bench): Promise<number> {
  const order = Object.keys(PARTS).filter((part) => part in bench.parts);
  const parts = Object.fromEntries(order.map((part) => [part, bench.parts[part]!]));
  await rm(inRepository('docs/bench'), { recursive: true, force: true });
  for (const [path, text] of Object.entries(pageFiles({ ...bench, parts }))) {
    const file = inRepository('docs', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  console.log(`docs/bench.md: ${order.join(', ')}`);
  return Object.values(parts).some(({ rows }) => failures(rows) !== '') ? 1 : 0;
}

/** Tells of each row when it is there: the whole takes half an hour. */
function say(part: string): (row: BenchRow) => void {
  return (row) => void process.stderr.write(`${part}: ${told(row)}\n`);
}

function told(row: BenchRow): string {
  if (row.kind !== 'scene') return JSON.stringify(row);
  const p99 = row.streams.map(
    ({ name, phases }) =>
      `${name} p99 ${spreadText(
        phases.map((phase) => phase.p99),
        2,
      )}`,
  );
  const loads = row.loads.map(({ name, mbit }) => `${name} ${spreadText(mbit, 2)}`);
  return `${row.scene}: ${row.design}: ${[...p99, ...loads].join(', ')}`;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const isUsage = error instanceof TypeError && 'code' in error;
    console.error(isUsage ? `${error.message}\n${USAGE}` : error instanceof LabError ? error.message : error);
    process.exitCode = isUsage ? 2 : 1;
  },
);
