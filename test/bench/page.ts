// Owns docs/bench.md: the page that the figures make. Pure.
import { costSections } from './cost-tables.js';
import type { Bench, BenchRow } from './figures.js';
import { plots } from './plots.js';
import { FLOOR, failures, sceneSections, summaryTable } from './scene-tables.js';
import { targetTable } from './targets.js';

/** The files below docs/ that these figures make, by path. */
export function pageFiles(bench: Bench): Record<string, string> {
  const images = plots(rowsOfAll(bench));
  return {
    'bench.json': jsonText(bench),
    'bench.md': page(bench, Object.keys(images)),
    ...Object.fromEntries(Object.entries(images).map(([name, svg]) => [`bench/${name}`, `${svg}\n`])),
  };
}

function rowsOfAll({ parts }: Bench): BenchRow[] {
  return Object.values(parts).flatMap(({ rows }) => rows);
}

/** One line for each row, so that a change of one figure is a change of one line. Four decimals: tenths of a microsecond. */
function jsonText({ version, run, parts }: Bench): string {
  const texts = Object.entries(parts).map(([name, { commit, seconds, rows }]) => {
    const lines = rows.map((row) => `        ${JSON.stringify(row, rounded)}`).join(',\n');
    const took = seconds === undefined ? '' : `      "seconds": ${seconds},\n`;
    return `    ${JSON.stringify(name)}: {\n      "commit": ${JSON.stringify(commit)},\n${took}      "rows": [\n${lines}\n      ]\n    }`;
  });
  const took = run ? `  "run": ${JSON.stringify(run)},\n` : '';
  return `{\n  "version": ${version},\n${took}  "parts": {\n${texts.join(',\n')}\n  }\n}\n`;
}

/** How long it took; empty when the page was put together from several runs. */
function tookText({ run, parts }: Bench): string {
  if (!run) return '';
  const [longest] = Object.entries(parts).sort(([, a], [, b]) => (b.seconds ?? 0) - (a.seconds ?? 0));
  const minutes = (seconds = 0) => (seconds / 60).toFixed(0);
  return `\nAll of it took ${minutes(run.seconds)} minutes with ${run.processors} processors, two guests at a time; the longest part was ${longest![0]} with ${minutes(longest![1].seconds)}.`;
}

/** `c396866`, or which parts were measured with which. */
function commitText({ parts }: Bench): string {
  const names = new Map<string, string[]>();
  for (const [name, { commit }] of Object.entries(parts))
    names.set(commit, [...(names.get(commit) ?? []), name]);
  if (names.size === 1) return `the programs of commit ${[...names.keys()].join('')}`;
  return [...names]
    .map(([commit, of]) => `the programs of commit ${commit} (${of.join(', ')})`)
    .join(' and ');
}

/** What JSON.stringify is given: as many digits as bench.json has. */
export function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value;
}

const TITLES: Readonly<Record<string, string>> = {
  'delay.svg': 'Distribution of the delay of EF in mix-10-ip',
  'delay-wireguard.svg': 'Distribution of the delay of EF in wireguard-ip',
  'p99.svg': 'p99 of EF in every scene',
  'shares.svg': 'What the classes got in mix-10-ip',
  'shares-flood.svg': 'What the classes got in flood-10',
  'reconcile.svg': 'Time of a pass against the number of vifs',
};

function page(bench: Bench, images: readonly string[]): string {
  const rows = rowsOfAll(bench);
  return `# Bench

Made by \`npm run bench\` with ${commitText(bench)}: this page, [bench.json](bench.json) with every figure, and the plots.
\`npm run bench -- --list\` names the parts, \`-- --only PART\` runs one and prints it, \`-- --update PART\` puts it into this page.${tookText(bench)}
${failureSection(rows)}
Everything runs in the lab ([test/lab/README.md](../test/lab/README.md)): Debian 13, kernel 6.12, real packets through work, sys-firewall
and sys-net, time counted in instructions, so that the figures do not depend on the machine. One guest measures all designs of a
scene, one after another, each on a fresh tree.

## How to read it

- Delays are milliseconds above the provider's 10 (there and back: 20). \`1.45 (1.44–1.47)\` is the median of three phases of four
  seconds and the lowest and highest of them; the phases differ in when the call sends against everything else.
- Rates are Mbit/s of payload. "Line used" is what the modem sent against its rate, as frames on the wire.
- \`idle line\` is the scene without its loads. \`${FLOOR}\` is that and one full frame at 95 % of the line, which somebody else has
  just begun to send: the delay of the unluckiest packet, which no order of packets makes shorter. A p99 may be just below.
- mixed load (mix, firewall, hops, wireguard): voice from work as EF, 50 packets a second; personal (cs0) and untrusted (cs1) each 2
  TCP connections and UDP at 60 % of the line. Configured shares: cs5 4, cs0 3, cs2 2, cs1 1. On the line of 1 Mbit/s a phase is
  twelve seconds, so that there are some hundred packets to share.
- The processor is one of 500 MIPS, which also sends and receives. In the scenes with WireGuard it encrypts and decrypts too; the
  kernel's threads that do so go before all others, as if they had a processor of their own (elsewhere what waits for them leaves in
  bursts). Where everything happens at once it is nearly full: those delays are an upper bound.
- \`refused\` and \`everything\`: dom0 has classes enforced at the first hop. There \`no QoS\` is without that and without limits.
- "Through the forward hook" are the packets that sys-firewall did not forward by its flowtable, of those that came in from its clients.
- \`original\` is the scheme of Atrate's qubes-qos: five bands, no shaper. All that shape are at 95 % of the line. \`no QoS\`, \`original\`, \`HTB + prio\` and \`cake\` are typed by hand; those of ours, in bold, are
  put in place by \`qubes-qos-tc\`; the first of them is the default, the others are for kernels that lack something.

## Side by side

${summaryTable(rows)}
${images
  .filter((name) => name.startsWith('p99') || name.startsWith('delay'))
  .map(image)
  .join('\n')}

## To reach

${targetTable(rows)}
## Scenes

${sceneSections(rows)}
${images
  .filter((name) => name.startsWith('shares'))
  .map(image)
  .join('\n')}

## Costs

${costSections(rows)}
${images
  .filter((name) => name.startsWith('reconcile'))
  .map(image)
  .join('\n')}
`;
}

function failureSection(rows: readonly BenchRow[]): string {
  const failed = failures(rows);
  return failed === '' ? '' : `\n**Could not be measured:**\n\n${failed}`;
}

function image(name: string): string {
  return `![${TITLES[name] ?? name}](bench/${name})\n`;
}
