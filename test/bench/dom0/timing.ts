// Owns the timing of whole processes: some programs in turn, so that a machine whose speed drifts is fair to all of them.
import { spawn } from 'node:child_process';
import { LabError } from '../../lab/host/host-error.js';
import { quantile } from '../../lab/guest/statistics.js';
import type { Program } from './client-tools.js';

/** Milliseconds of one run: from start to end, and of a processor. */
interface Run {
  readonly wall: number;
  readonly processor: number;
}

/** The runs of one program, in the order in which they were. */
export type Timing = readonly Run[];

const WARM_UPS = 3;

/** The shell tells seconds: from start to end, in the program, in the kernel. */
const TIMED = 'TIMEFORMAT="timed %3R %3U %3S"; time "$@"';

/**
 * Runs the programs in turn, so many times each; the first few do not count.
 * @param before - is called before each run, which it has no part in.
 */
export async function timeInTurn(
  programs: readonly Program[],
  times: number,
  before: () => void = () => undefined,
): Promise<Timing[]> {
  const all = programs.map((): Run[] => []);
  for (let time = -WARM_UPS; time < times; time++)
    for (const [index, program] of programs.entries()) {
      before();
      const run = await timeOf(program);
      if (time >= 0) all[index]!.push(run);
    }
  return all;
}

/** Lowest and median of what is measured of a run. */
export function spreadOfRuns(timing: Timing, kind: keyof Run): { min: number; median: number } {
  const sorted = timing.map((run) => run[kind]).sort((a, b) => a - b);
  return { min: sorted[0] ?? NaN, median: quantile(sorted, 0.5) ?? NaN };
}

/** The median of the ratios of runs that followed one another. */
export function medianRatio(one: Timing, other: Timing, kind: keyof Run): number {
  const ratios = one.map((run, index) => run[kind] / other[index]![kind]).sort((a, b) => a - b);
  return quantile(ratios, 0.5) ?? NaN;
}

/** Runs a program to its end. @throws LabError with what it printed when it fails */
async function timeOf({ argv, env }: Program): Promise<Run> {
  const child = spawn('/bin/bash', ['-c', TIMED, 'bash', ...argv], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exitCode = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [, real = NaN, user = NaN, system = NaN] = (/^timed (.*) (.*) (.*)$/m.exec(said) ?? []).map(Number);
  if (exitCode !== 0) throw new LabError(`${argv.join(' ')} ended with ${String(exitCode)}:`, said);
  return { wall: real * 1000, processor: (user + system) * 1000 };
}
