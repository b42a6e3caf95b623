// Owns what is computed from packets that arrived, for the lab and for the bench. Pure.

/** The smallest value that at least this share of all is not above; undefined of nothing. */
export function quantile<T>(sorted: readonly T[], share: number): T | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** How many of these numbers come after a higher one. */
export function reordered(numbers: Iterable<number>): number {
  let highest = -1;
  let count = 0;
  for (const number of numbers) {
    if (number < highest) count += 1;
    highest = Math.max(highest, number);
  }
  return count;
}

/** p50, p99 and the highest; NaN of nothing. */
export function spreadOfDelays(delays: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = [...delays].sort((a, b) => a - b);
  const at = (share: number): number => quantile(sorted, share) ?? NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
