import { expect, test } from 'vitest';
import { bounded, inParallel } from '@qubes-qos/qvm-qos/in-parallel';

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

test('a bounded action runs eight at once, whoever calls it, failures too', async () => {
  let running = 0;
  let most = 0;
  const action = bounded(async (item: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, item % 5));
    running--;
    if (item % 3 === 0) throw new Error(`no ${item}`);
    return item * 2;
  });
  const results = await Promise.allSettled(Array.from({ length: 40 }, (_, item) => action(item)));
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : -1))).toEqual(
    Array.from({ length: 40 }, (_, item) => (item % 3 === 0 ? -1 : item * 2)),
  );
  expect([most, running]).toEqual([8, 0]);
});
