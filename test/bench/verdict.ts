// Owns what a target is: a sentence, how it is read from the figures, and what stands in its way.
import type { BenchRow } from './figures.js';

/** What the figures say of a target; undefined when a row that it needs is not there. */
export type Reading = { readonly figure: string; readonly isReached: boolean } | undefined;

/** Something to be reached. */
export interface Target {
  readonly text: string;
  readonly measure: (rows: readonly BenchRow[]) => Reading;
  /** What limits it where it is not reached, or why it was not measured. */
  readonly limit: string;
}
