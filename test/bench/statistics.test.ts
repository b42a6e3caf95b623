// The statistics of the bench, on figures small enough to check by eye.
import { expect, test } from 'vitest';
import { quantile } from '../lab/guest/statistics.js';
import { QUANTILES, spreadOf, streamFigures } from './statistics.js';

test('a quantile is the smallest value that at least this share is not above', () => {
  const sorted = Array.from({ length: 200 }, (_, index) => index + 1);
  expect([0, 0.005, 0.5, 0.99, 1].map((share) => quantile(sorted, share))).toEqual([1, 1, 100, 198, 200]);
  expect(quantile<number>([], 0.5)).toBeUndefined();
});

test('a spread is median, lowest and highest; a phase in which nothing arrived is the worst', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  expect(spreadOf([3, null, 2])).toEqual({ median: 3, low: 2, high: null });
  expect(spreadOf([null, null, 2]).median).toBeNull();
});

test('a stream is judged phase by phase: delay, loss, and packets that arrived after a later one', () => {
  const arrivals = [
    { phase: 0, number: 0, addedMs: 1 },
    { phase: 0, number: 2, addedMs: 2 },
    { phase: 0, number: 1, addedMs: 5 },
    { phase: 0, number: 3, addedMs: 3 },
    { phase: 1, number: 0, addedMs: 9.00049 },
  ];
  const { phases, quantiles } = streamFigures('voice', arrivals, 3, 4);
  expect(phases).toEqual([
    { p50: 2, p99: 5, max: 5, loss: 0, reordered: 1 },
    { p50: 9, p99: 9, max: 9, loss: 0.75, reordered: 0 },
    { p50: null, p99: null, max: null, loss: 1, reordered: 0 },
  ]);
  expect(quantiles).toHaveLength(QUANTILES.length);
  expect([quantiles[0], quantiles.at(-1)]).toEqual([1, 9]);
});
