// Owns how long the programs take to start, against an empty Node, with nothing in the environment.
import { enter } from '../../lab/guest/namespaces.js';
import { record } from '../../lab/guest/record.js';
import { sh } from '../../lab/guest/run.js';
import { startLab } from '../../lab/guest/topology.js';
import type { StartRow } from '../figures.js';

const TIMES = 3;
const EMPTY = 'node -e 0';

/** Commands, and the qube where they have something to talk to. */
const COMMANDS: readonly (readonly [qube: string, command: string])[] = [
  ['dom0', EMPTY],
  ['dom0', 'qvm-qos --version'],
  ['dom0', 'qvm-qos list'],
  ['work', 'qubes-qos-mangle --version'],
  ['work', 'qubes-qos-mangle print'],
  ['sys-net', 'qubes-qos-tc --version'],
  ['sys-net', 'qubes-qos-tc print'],
];

/** Measures each command; the first run, which fills the caches, does not count. */
export async function runStartUp(): Promise<void> {
  await startLab();
  let empty = NaN;
  for (const [qube, command] of COMMANDS) {
    const argv = [...enter(qube), 'env', '-i', 'PATH=/usr/sbin:/usr/bin', ...command.split(' ')];
    await sh(...argv);
    const start = performance.now();
    for (let time = 0; time < TIMES; time++) await sh(...argv);
    const ms = (performance.now() - start) / TIMES;
    if (command === EMPTY) empty = ms;
    const row: StartRow = { kind: 'start', command, ms, ratio: ms / empty };
    record(row);
  }
}
