// Owns the comparison of the figures with what is to be reached. Pure.
import { COST_TARGETS } from './cost-targets.js';
import type { BenchRow } from './figures.js';
import { markdownTable } from './markdown.js';
import { SCENE_TARGETS } from './scene-targets.js';

/** A target against its figure. */
export interface Verdict {
  readonly target: string;
  /** undefined: not measured. */
  readonly figure: string | undefined;
  readonly isReached: boolean;
  /** What stands in the way where it is not reached, or why it was not measured. */
  readonly limit: string;
}

/** Every target against these figures. */
export function verdicts(rows: readonly BenchRow[]): Verdict[] {
  return [...SCENE_TARGETS, ...COST_TARGETS].map(({ text, measure, limit }) => {
    const reading = measure(rows);
    return { target: text, figure: reading?.figure, isReached: reading?.isReached ?? false, limit };
  });
}

/** The table of targets. */
export function targetTable(rows: readonly BenchRow[]): string {
  const body = verdicts(rows).map(({ target, figure, isReached, limit }) => [
    target,
    figure ?? '',
    figure === undefined ? 'not measured' : isReached ? 'yes' : '**no**',
    isReached ? '' : limit,
  ]);
  return markdownTable(['to reach', 'measured', 'reached', 'what limits it'], body);
}
