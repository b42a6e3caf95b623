// Owns the statistics of the bench. Pure.
import { quantile, reordered } from '../lab/guest/statistics.js';
import type { Figure, Spread, StreamFigures, StreamPhase } from './figures.js';

/** Where the distribution of a stream is kept: dense at the top, where designs differ. */
export const QUANTILES: readonly number[] = [
  0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995, 1,
];

/** Median, lowest and highest. Null counts as the highest: nothing arrived at all. */
export function spreadOf(values: readonly Figure[]): Spread {
  const sorted = [...values].sort((a, b) => (a ?? Infinity) - (b ?? Infinity) || 0);
  const at = (share: number): Figure => quantile(sorted, share) ?? null;
  return { median: at(0.5), low: at(0), high: at(1) };
}

/** One packet that arrived, in order of arrival. */
export interface Arrival {
  readonly phase: number;
  /** From 0, in order of sending. */
  readonly number: number;
  /** Milliseconds above the provider's. */
  readonly addedMs: number;
}

/** The figures of a stream that sent so many packets in each phase. */
export function streamFigures(
  name: string,
  arrivals: readonly Arrival[],
  phases: number,
  sent: number,
): StreamFigures {
  const all = sortedDelays(arrivals);
  return {
    name,
    phases: Array.from({ length: phases }, (_, phase) =>
      phaseFigures(
        arrivals.filter((arrival) => arrival.phase === phase),
        sent,
      ),
    ),
    quantiles: QUANTILES.map((share) => quantile(all, share) ?? null),
  };
}

function phaseFigures(arrivals: readonly Arrival[], sent: number): StreamPhase {
  const delays = sortedDelays(arrivals);
  return {
    p50: quantile(delays, 0.5) ?? null,
    p99: quantile(delays, 0.99) ?? null,
    max: quantile(delays, 1) ?? null,
    loss: (sent - arrivals.length) / sent,
    reordered: reordered(arrivals.map(({ number }) => number)),
  };
}

/** Whole microseconds: what is below them is the path of one instruction or another. */
function sortedDelays(arrivals: readonly Arrival[]): number[] {
  return arrivals.map(({ addedMs }) => Math.round(addedMs * 1000) / 1000).sort((a, b) => a - b);
}
