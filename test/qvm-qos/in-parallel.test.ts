import { expect, test } from 'vitest';
import { inParallel } from '@qubes-qos/qvm-qos/in-parallel';

test('keeps the order of the items, and never more than eight at once', async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 50 }, (_, index) => index);
  const results = await inParallel(items, async (item) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < item % 7; turn++) await Promise.resolve();
    running--;
    return item * 2;
  });
  expect(results).toEqual(items.map((item) => item * 2));
  expect(most).toBe(8);
});

test('of nothing is nothing', async () => {
  expect(await inParallel([], () => Promise.reject(new Error('never called')))).toEqual([]);
});

test('fails when one of them fails', async () => {
  await expect(inParallel([1, 2], (item) => Promise.reject(new Error(`no ${item}`)))).rejects.toThrow('no 1');
});
