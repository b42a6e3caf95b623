// Every option of every qdisc: the words, and the way from any set to any other.
import { buildTree, diffTc } from '@qubes-qos/core/tc/diff';
import { changeOptions } from '@qubes-qos/core/tc/kinds';
import { completeRed, ewmaLog } from '@qubes-qos/core/tc/kinds/sfq';
import type { QdiscOptions } from '@qubes-qos/core/tc/model';
import { renderTc } from '@qubes-qos/core/tc/render';
import { describe, expect, test } from 'vitest';
import { KernelModel } from './kernel-model.js';
import { LEAVES, OPTION_TREES, treeOfLeaf } from './option-sets.js';

const LEAVE = { takeover: false };

test('the words of every set', async () => {
  const blocks = Object.entries(OPTION_TREES).map(
    ([name, tree]) => `# ${name}\n${renderTc([buildTree('ens6', tree, '5')]).text}`,
  );
  await expect(blocks.join('')).toMatchFileSnapshot('../../golden/options.tc');
});

describe('from any set to any other', () => {
  const names = Object.keys(OPTION_TREES);
  test.each(names)('%s', (from) => {
    for (const to of names) {
      const kernel = new KernelModel();
      kernel.run(buildTree('ens6', OPTION_TREES[from]!, '5'));
      kernel.run(diffTc('ens6', OPTION_TREES[to], kernel.observe(), LEAVE));
      expect(diffTc('ens6', OPTION_TREES[to], kernel.observe(), LEAVE).ops, to).toEqual([]);
    }
  });
});

describe('in place', () => {
  const change = (kind: string, to: string, from: string): QdiscOptions | undefined =>
    changeOptions(LEAVES[kind]![to]!, LEAVES[kind]![from]!);

  test('what is not wanted any more is said, since the kernel keeps what it is not told', () => {
    expect(change('cake', 'plain', 'vdsl')).toEqual({
      ...{
        kind: 'cake',
        autorateIngress: false,
        rtt: 100_000,
        diffserv: 'diffserv3',
        flowmode: 'triple-isolate',
      },
      ...{ nat: false, wash: false, splitGso: true, ackFilter: 'off', cells: 'noatm', ingress: false },
    });
    const tree = treeOfLeaf(change('cake', 'plain', 'vdsl')!);
    expect(renderTc([buildTree('ens6', tree, '5')]).text).toContain(
      'cake unlimited diffserv3 triple-isolate nonat nowash split-gso no-ack-filter egress rtt 100000us raw noatm\n',
    );
  });

  test('what tc cannot unset needs a rebuilt tree', () => {
    expect(change('cake', 'plain', 'shaped')).toBeUndefined();
    expect(change('fq_codel', 'plain', 'threshold')).toBeUndefined();
    expect(change('fq_codel', 'plain', 'one-flow')).toBeUndefined();
    expect(change('sfq', 'article', 'plain')).toBeUndefined();
  });
});

describe('sfq with RED', () => {
  test('completes the thresholds as tc does', () => {
    expect(completeRed({ limit: 60_000 })).toMatchObject({ max: 15_000, min: 5_000, burst: 8, avpkt: 1000 });
  });

  test('finds the weight of the moving average, or none for a burst that is too small', () => {
    expect(ewmaLog(8_000, 20, 1_000)).toBe(5);
    expect(ewmaLog(8_000, 2, 1_000)).toBeUndefined();
  });
});
