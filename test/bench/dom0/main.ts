// The command that sets qvm-qos beside Qubes' own tools: both from start to end, on this machine, against one simulated qubesd.
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ClassName } from '@qubes-qos/core/classes';
import { grant } from '../../lab/guest/grant.js';
import { inRepository } from '../../lab/host/paths.js';
import { MachineModel } from '../../sim/machine.js';
import { Qubesd } from '../../sim/qubesd.js';
import { markdownTable } from '../markdown.js';
import { hasClientTools, prepareClientTools, type Program } from './client-tools.js';
import { medianRatio, spreadOfRuns, timeInTurn, type Timing } from './timing.js';

const USAGE = `usage: scripts/bench-dom0 [--runs N] [--node NODE] [DIRECTORY]
DIRECTORY, or $QUBES_CLIENT_TOOLS, is a checkout of qubes-core-admin-client; NODE runs qvm-qos.
`;

/** What is compared: our command, theirs, and what the ratio may be. */
interface Comparison {
  readonly title: string;
  readonly ours: readonly string[];
  readonly theirs: readonly [tool: string, ...args: string[]];
  readonly most: number;
  /** Puts the machine where each run begins. */
  readonly prepare?: (machine: MachineModel) => void;
}

const QUBES = 100;
const QUBE = 'qube-3';
const ADDRESS = '10.137.1.3';
const CLASS = 'vm-config.dscp';

const COMPARISONS: readonly Comparison[] = [
  {
    title: `set, a class that it has`,
    ours: ['set', QUBE, 'ef'],
    theirs: ['qvm-features', QUBE, CLASS, 'ef'],
    most: 0.6,
  },
  {
    title: 'set, another class; the NetVM is told',
    ours: ['set', QUBE, 'ef'],
    theirs: ['qvm-features', QUBE, CLASS, 'ef'],
    most: 0.6,
    prepare: (machine) => {
      machine.setFeature(QUBE, CLASS, 'cs1');
      machine.setFeature('sys-firewall', `vm-config.qos.${ADDRESS}`, grant('cs1'));
    },
  },
  { title: `list of ${QUBES} qubes`, ours: ['list'], theirs: ['qvm-ls'], most: 0.7 },
];

/** sys-net, sys-firewall and qubes behind it, each fifth with a class; all that follows from it is written. */
function machineOf(): MachineModel {
  const netvms = [
    { name: 'sys-net', netvm: null, providesNetwork: true, running: true, ip: '10.137.0.2' },
    { name: 'sys-firewall', netvm: 'sys-net', providesNetwork: true, running: true, ip: '10.137.0.3' },
  ];
  const others = Array.from({ length: QUBES - netvms.length }, (_, index) => ({
    ...{ name: `qube-${index}`, running: index % 3 === 0, ip: `10.137.1.${index}` },
  }));
  const machine = new MachineModel({ defaultNetvm: 'sys-firewall', qubes: [...netvms, ...others] });
  const give = (name: string, className: ClassName): void => {
    machine.setFeature(name, CLASS, className);
    machine.setFeature('sys-firewall', `vm-config.qos.${machine.qube(name).ip}`, grant(className));
  };
  for (const [index, { name }] of others.entries()) if (index % 5 === 0) give(name, 'cs1');
  give(QUBE, 'ef');
  give('qube-7', 'ef');
  machine.setFeature('sys-net', 'vm-config.qos.10.137.0.3', 'class=cs0 max=ef zero=keep');
  machine.setFeature('sys-net', 'vm-config.qos-uplink', 'up=10mbit');
  for (const name of ['sys-net', 'sys-firewall']) machine.setFeature(name, 'vm-config.qos-enforce', '1');
  return machine;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { runs: { type: 'string', default: '25' }, node: { type: 'string', default: process.execPath } },
    allowPositionals: true,
  });
  const directory = positionals[0] ?? process.env['QUBES_CLIENT_TOOLS'];
  if (directory === undefined || !hasClientTools(directory)) {
    const why =
      directory === undefined ? 'no checkout of qubes-core-admin-client is named' : `${directory} is none`;
    for (const { title } of COMPARISONS) console.log(`SKIPPED: ${title}: ${why}`);
    console.log(`${USAGE}0 measured, ${COMPARISONS.length} skipped`);
    return 0;
  }
  const scratch = await mkdtemp(join(tmpdir(), 'bench-dom0-'));
  try {
    return await measure(directory, scratch, Number(values.runs), values.node);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function measure(directory: string, scratch: string, runs: number, node: string): Promise<number> {
  const socketPath = join(scratch, 'qubesd.sock');
  const theirs = await prepareClientTools(directory, scratch, socketPath);
  const ours = (...args: readonly string[]): Program => ({
    argv: [node, inRepository('dist/qvm-qos'), '--socket', socketPath, ...args],
    env: {},
  });
  const empty: Program = { argv: [node, '-e', '0'], env: {} };
  const rows: string[][] = [];
  let reached = 0;
  console.log(`load ${loadText()} before`);
  for (const { title, most, prepare, ...commands } of COMPARISONS) {
    const machine = machineOf();
    const qubesd = await Qubesd.listen(socketPath, machine);
    try {
      const programs = [ours(...commands.ours), theirs(...commands.theirs), empty] as const;
      const requests: number[] = [];
      const [our, their, floor] = await timeInTurn(programs, runs, () => {
        prepare?.(machine);
        requests.push(qubesd.requests.length);
      });
      // The last run, of the empty Node, has none after it.
      const counts = requests.slice(1).map((count, index) => count - requests[index]!);
      const ratio = medianRatio(our!, their!, 'wall');
      if (ratio <= most) reached++;
      rows.push([
        ...[title, shown(our!), shown(their!), shown(floor!), `${counts.at(-2)} / ${counts.at(-1)}`],
        ...[(spreadOfRuns(our!, 'wall').min / spreadOfRuns(their!, 'wall').min).toFixed(2), ratio.toFixed(2)],
        ...[
          medianRatio(our!, their!, 'processor').toFixed(2),
          most.toFixed(2),
          ratio <= most ? 'yes' : '**no**',
        ],
      ]);
    } finally {
      await qubesd.close();
    }
  }
  console.log(`load ${loadText()} after\n`);
  const head = [
    'what',
    'qvm-qos',
    'theirs',
    '`node -e 0`',
    'requests',
    'of minima',
    'ratio',
    'of processor',
    'at most',
    'reached',
  ];
  console.log(markdownTable(head, rows));
  console.log(
    `${rows.length} measured, ${reached} reached, 0 skipped; ms, minimum–median of ${runs} runs in turn (of a processor); ratios: median of those of neighbours`,
  );
  return 0;
}

function shown(timing: Timing): string {
  const text = (kind: 'wall' | 'processor'): string => {
    const { min, median } = spreadOfRuns(timing, kind);
    return `${min.toFixed(0)}–${median.toFixed(0)}`;
  };
  return `${text('wall')} (${text('processor')})`;
}

function loadText(): string {
  return loadavg()
    .slice(0, 1)
    .map((load) => load.toFixed(1))
    .join('');
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const isUsage = error instanceof TypeError && 'code' in error;
    console.error(isUsage ? `${error.message}\n${USAGE}` : error);
    process.exitCode = isUsage ? 2 : 1;
  },
);
