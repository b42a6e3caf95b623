// The differ, on a kernel in memory: whatever was there, one script leads to the desired tree, and a second is empty.
import { bitsPerSecond } from '@qubes-qos/core/rate';
import { diffTc } from '@qubes-qos/core/tc/diff';
import type { DeviceOps, Tree } from '@qubes-qos/core/tc/model';
import { htbEtsCake } from '@qubes-qos/tc-agent/schedulers/htb-ets';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TREES } from '../../tc-agent/trees.js';
import { KernelModel } from './kernel-model.js';

const LEAVE = { takeover: false };
const shaped = (rate: number): Tree => htbEtsCake.build({ rate: bitsPerSecond(rate), mtu: 1500 });

const limited = (numbers: readonly number[], rate = 9_500_000): Tree =>
  htbEtsCake.build({
    rate: bitsPerSecond(rate),
    mtu: 1500,
    ef: {
      rate: bitsPerSecond(rate / 2),
      clients: numbers.map((ifindex) => ({ ifindex, ifname: `vif${ifindex}.0` })),
    },
  });

function settle(kernel: KernelModel, desired: Tree | undefined, takeover = false): DeviceOps {
  const ops = diffTc('ens6', desired, kernel.observe(), { takeover });
  kernel.run(ops);
  return ops;
}

describe('diffTc', () => {
  test('does nothing when nothing is wanted and nothing of ours is there', () => {
    expect(diffTc('ens6', undefined, { state: 'default' }, LEAVE).ops).toEqual([]);
    expect(diffTc('ens6', undefined, { state: 'foreign', kind: 'tbf', handle: '1:' }, LEAVE).ops).toEqual([]);
  });

  test('a new rate is one change of the class, under the same root', () => {
    const kernel = new KernelModel();
    settle(kernel, shaped(9_500_000));
    expect(settle(kernel, shaped(19_000_000))).toMatchObject({ side: '5', ops: [{ op: 'replace-class' }] });
  });

  test('another scheduler is a twin tree, built in one script and never under the same root', () => {
    const kernel = new KernelModel();
    settle(kernel, shaped(9_500_000));
    const { side, ops } = settle(kernel, TREES['ets+fq_codel']);
    expect(side).toBe('6');
    expect(ops[0]).toMatchObject({ op: 'replace-qdisc', qdisc: { parent: 'root' } });
    expect(ops.some(({ op }) => op === 'delete-root')).toBe(false);
  });

  test('a tree with something strange in it is rebuilt', () => {
    const kernel = new KernelModel();
    settle(kernel, shaped(9_500_000));
    const observed = { ...kernel.observe(), strange: ['qdisc netem 5a:'] };
    expect(
      diffTc('ens6', shaped(9_500_000), observed as ReturnType<KernelModel['observe']>, LEAVE).side,
    ).toBe('6');
  });

  test('a foreign root is left alone unless the user says takeover', () => {
    const kernel = new KernelModel();
    kernel.setForeign();
    expect(settle(kernel, shaped(9_500_000)).ops).toEqual([]);
    expect(kernel.root).toBe('foreign');
    settle(kernel, shaped(9_500_000), true);
    expect(kernel.root).toBe('ours');
  });

  test('a client that comes gets queues of EF, one that goes loses its own, and the tree stays', () => {
    const kernel = new KernelModel();
    settle(kernel, limited([3, 4]));
    const came = settle(kernel, limited([3, 4, 5]));
    expect(came.side).toBe('5');
    expect(came.ops.every(({ op }) => op.startsWith('replace'))).toBe(true);
    expect(came.ops.length).toBeLessThan(10);
    const went = settle(kernel, limited([4, 5]));
    expect(went).toMatchObject({ side: '5', ops: [{ op: 'delete-sorter' }, { op: 'delete-class' }] });
    expect(settle(kernel, limited([4, 5])).ops).toEqual([]);
  });

  test('queues of a client whose interface vanished before its sorter was there go too', () => {
    const kernel = new KernelModel();
    settle(kernel, limited([3, 4]));
    const { state, ...rest } = kernel.observe();
    if (state !== 'ours' || !('tree' in rest)) throw new Error(state);
    const tree = { ...rest.tree, sorters: rest.tree.sorters!.filter((one) => !('from' in one)) };
    const { ops, side } = diffTc('ens6', limited([4]), { ...rest, state, tree }, LEAVE);
    expect(side).toBe('5');
    expect(ops.map(({ op }) => op)).toEqual(['replace-sorter', 'delete-class']);
  });

  test('a client that takes the slot of one that is gone takes its queues over', () => {
    const kernel = new KernelModel();
    settle(kernel, limited([3]));
    expect(settle(kernel, limited([17]))).toMatchObject({
      side: '5',
      ops: [{ op: 'replace-sorter' }, { op: 'delete-sorter' }],
    });
  });

  test('what the kernel rounds is not a difference, what it does not round is', () => {
    const desired = shaped(9_500_000);
    const read = (burst: number, rate: number): Tree => ({
      ...desired,
      classes: desired.classes.map((one) => ({ ...one, burst, rate })),
    });
    const observe = (tree: Tree) => ({ state: 'ours', side: '5', tree, strange: [] }) as const;
    expect(diffTc('ens6', desired, observe(read(1598, 9_500_000)), LEAVE).ops).toEqual([]);
    expect(diffTc('ens6', desired, observe(read(1500, 9_500_000)), LEAVE).ops).toHaveLength(1);
    expect(diffTc('ens6', desired, observe(read(1600, 9_500_008)), LEAVE).ops).toHaveLength(1);
  });

  test('a shaper of EF takes the place of a leaf that is gone, before its classes', () => {
    const kernel = new KernelModel();
    settle(kernel, TREES['ets+fq_codel']);
    kernel.qdiscs.delete('510:');
    settle(kernel, TREES['ets+fq_codel+ef-4750kbit']);
    expect(diffTc('ens6', TREES['ets+fq_codel+ef-4750kbit'], kernel.observe(), LEAVE).ops).toEqual([]);
  });

  test('random walks between all trees, damage and foreign roots end where they should, and then rest', () => {
    const trees = [
      ...Object.values(TREES),
      ...[shaped(1_000_000), shaped(50_000_000), undefined],
      ...[[], [3], [3, 4], [4, 18], [4, 18, 5]].map((numbers) => limited(numbers)),
    ];
    const step = fc.record({
      desired: fc.constantFrom(...trees),
      damage: fc.constantFrom('none', 'leaf', 'filter', 'class', 'everything'),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const kernel = new KernelModel();
        for (const { desired, damage, pick } of steps) {
          damageKernel(kernel, damage, pick);
          settle(kernel, desired);
          const after = kernel.observe();
          expect(diffTc('ens6', desired, after, LEAVE).ops).toEqual([]);
          expect(after.state).toBe(desired ? 'ours' : 'default');
          if (after.state === 'ours') expect(sorted(after.tree)).toEqual(sorted(desired));
        }
      }),
      { numRuns: 300 },
    );
  }, 30_000);
});

function damageKernel(kernel: KernelModel, damage: string, pick: number): void {
  const dropOne = (map: Map<string, unknown>, keys: string[]): void => {
    if (keys.length > 0) map.delete(keys[pick % keys.length]!);
  };
  const leaves = [...kernel.qdiscs.values()]
    .filter(({ handle }) => handle.length === 4)
    .map(({ handle }) => handle);
  if (damage === 'leaf') dropOne(kernel.qdiscs, leaves);
  if (damage === 'filter') dropOne(kernel.filters, [...kernel.filters.keys()]);
  if (damage === 'class') {
    for (const [id, one] of kernel.classes)
      kernel.classes.set(id, { ...one, rate: one.rate + 8 * (1 + (pick % 1000)) });
  }
  if (damage === 'everything' && kernel.root !== 'default')
    kernel.run({ ifname: 'ens6', side: '5', ops: [{ op: 'delete-root' }] });
}

function sorted(tree: Tree | undefined): unknown {
  const byText = (list: readonly unknown[]): string[] =>
    list.map((one) => JSON.stringify(one, Object.keys(one as object).sort())).sort();
  return (
    tree && {
      q: tree.qdiscs.map(({ handle, parent }) => `${handle}${parent}`).sort(),
      c: byText(tree.classes),
      f: byText(tree.filters),
      s: byText(tree.sorters ?? []),
    }
  );
}
