// Owns the timing of whole processes: some programs in turn, so that a machine whose speed drifts is fair to all of them.
import { spawn } from 'node:child_process';
import { LabError } from '../../lab/host/host-error.js';
import { quantile } from '../statistics.js';
import type { Program } from './client-tools.js';

/** Milliseconds from start to end. */
export interface Timing {
  readonly min: number;
  readonly median: number;
  readonly all: readonly number[];
}

const WARM_UPS = 3;

/**
 * Runs the programs in turn, so many times each; the first few do not count.
 * @param before - is called before each run, which it has no part in.
 */
export async function timeInTurn(
  programs: readonly Program[],
  times: number,
  before: () => void = () => undefined,
): Promise<Timing[]> {
  const all = programs.map((): number[] => []);
  for (let time = -WARM_UPS; time < times; time++)
    for (const [index, program] of programs.entries()) {
      before();
      const ms = await timeOf(program);
      if (time >= 0) all[index]!.push(ms);
    }
  return all.map((values) => {
    const sorted = [...values].sort((a, b) => a - b);
    return { min: sorted[0] ?? NaN, median: quantile(sorted, 0.5) ?? NaN, all: values };
  });
}

/** The median of the ratios of runs that followed one another. */
export function medianRatio(one: Timing, other: Timing): number {
  const ratios = one.all.map((ms, index) => ms / other.all[index]!).sort((a, b) => a - b);
  return quantile(ratios, 0.5) ?? NaN;
}

/** Runs a program to its end. @throws LabError with what it printed when it fails */
async function timeOf({ argv: [file, ...args], env }: Program): Promise<number> {
  const start = performance.now();
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exitCode = await new Promise((resolve, reject) => child.once('error', reject).once('exit', resolve));
  const ms = performance.now() - start;
  if (exitCode !== 0)
    throw new LabError(`${[file, ...args].join(' ')} ended with ${String(exitCode)}:`, said);
  return ms;
}
