// Checks that every tree we render is what a real tc and kernel take, show, and do with packets.
import assert from 'node:assert/strict';
import { CLASSES } from '@qubes-qos/core/classes';
import { buildTree, diffTc } from '@qubes-qos/core/tc/diff';
import { otherSide } from '@qubes-qos/core/tc/handles';
import type { Handle, Side, Tree } from '@qubes-qos/core/tc/model';
import { readBandCounters, readLeafCounters } from '@qubes-qos/core/tc/counters';
import { renderTc } from '@qubes-qos/core/tc/render';
import { applyTc, observeCounters, observeTc } from '@qubes-qos/host/tc';
import { TINS } from '@qubes-qos/tc-agent/schedulers/cake';
import { LEAVES, OPTION_TREES, treeOfLeaf } from '../../../core/tc/option-sets.js';
import { OTHER_TREES, TREES } from '../../../tc-agent/trees.js';
import { check } from '../check.js';
import { sh, shWith } from '../run.js';

const DEV = 'ens6';
const PEER = 'far';
const COUNT = 5;

check('two namespaces and a link between them', async () => {
  await sh('ip', 'netns', 'add', PEER);
  await sh('ip', 'link', 'add', DEV, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', PEER);
  for (const [prefix, dev, host] of [
    [[], DEV, 1],
    [['-n', PEER], 'eth0', 2],
  ] as const) {
    await sh('ip', ...prefix, 'address', 'add', `192.0.2.${host}/24`, 'dev', dev);
    await sh('ip', ...prefix, 'address', 'add', `2001:db8::${host}/64`, 'dev', dev, 'nodad');
    await sh('ip', ...prefix, 'link', 'set', dev, 'up');
  }
  await sh('ping', '-c', '1', '192.0.2.2');
  await sh('ping', '-c', '1', '2001:db8::2');
});

for (const [name, tree] of Object.entries(TREES)) {
  check(`${name}: tc accepts it on both sides, and it reads back as it was meant`, async () => {
    for (const side of ['5', '6'] satisfies Side[]) {
      const failures = await applyTc(renderTc([buildTree(DEV, tree, side)]));
      assert.deepEqual(failures, []);
      const observed = (await observeTc([DEV], new Set([DEV]))).get(DEV);
      assert.ok(observed?.state === 'ours');
      assert.equal(observed.side, side);
      assert.deepEqual(observed.strange, []);
      assert.deepEqual(diffTc(DEV, tree, observed, { takeover: false }).ops, []);
    }
  });

  check(`${name}: each DSCP falls into its own band, IPv4 and IPv6, whatever the ECN bits say`, async () => {
    for (const target of ['192.0.2.2', '2001:db8::2']) {
      for (const ecn of [0, 1, 2]) {
        const rose = await bandsOf(async () => {
          for (const { dscp, rank } of CLASSES) await sendPings(COUNT + rank, (dscp << 2) | ecn, target);
        });
        // Neighbour discovery may come between, in the default band.
        const excess = rose.map((packets, rank) => packets - COUNT - rank);
        assert.ok((excess[2] ?? -1) >= 0, `to ${target} with ECN ${ecn}: bands ${rose.join(' ')}`);
        assert.deepEqual(excess.with(2, 0), [0, 0, 0, 0, 0], `to ${target} with ECN ${ecn}`);
      }
    }
  });

  check(`${name}: a code point that no class has is cs0, not what its old TOS bits mean`, async () => {
    const strangers = [0x10, 0x90, 0xb0, 0x28, 0x88, 0xe0];
    const rose = await bandsOf(async () => {
      for (const tos of strangers) await sendPings(COUNT, tos, '192.0.2.2');
    });
    assert.ok((rose[2] ?? 0) >= COUNT * strangers.length, `bands ${rose.join(' ')}`);
    assert.deepEqual(rose.with(2, 0), [0, 0, 0, 0, 0]);
  });
}

for (const [name, tree] of Object.entries({ ...OPTION_TREES, ...OTHER_TREES })) {
  check(`${name}: tc accepts all of it, and it reads back as it was meant`, async () => {
    await settle(tree, otherSide(await sideNow()));
  });
}

for (const [kind, sets] of Object.entries(LEAVES)) {
  check(`${kind}: from no option to each set and back, in place or by another tree`, async () => {
    const { plain, ...others } = sets;
    assert.ok(plain);
    await settle(treeOfLeaf(plain), otherSide(await sideNow()));
    const inPlace: string[] = [];
    for (const [name, options] of Object.entries(others)) {
      for (const [step, leaf] of [
        [`plain > ${name}`, options],
        [`${name} > plain`, plain],
      ] as const) {
        const before = await sideNow();
        await settle(treeOfLeaf(leaf));
        if ((await sideNow()) === before) inPlace.push(step);
      }
    }
    return { inPlace };
  });
}

check('cake-10mbit: each DSCP falls into its own tin, and no other, IPv4 and IPv6', async () => {
  await settle(OTHER_TREES['cake-10mbit']!);
  for (const target of ['192.0.2.2', '2001:db8::2']) {
    const before = await tinPackets();
    for (const { dscp, rank } of CLASSES) await sendPings(COUNT + rank, dscp << 2, target);
    // A code point of no class is cs0, whatever cake itself thinks of it.
    for (const tos of [0x88, 0x28]) await sendPings(COUNT, tos, target);
    const rose = (await tinPackets()).map((packets, tin) => packets - (before[tin] ?? 0));
    const expected = Array.from(rose, () => 0);
    for (const { name, rank } of CLASSES) expected[TINS[name] - 1] = COUNT + rank;
    const ofDefault = TINS.cs0 - 1;
    assert.ok((rose[ofDefault] ?? 0) >= 3 * COUNT + 2, `to ${target}: tins ${rose.join(' ')}`);
    assert.deepEqual(rose.with(ofDefault, 0), expected.with(ofDefault, 0), `to ${target}`);
  }
});

check(
  'tree-pyqos: marks and DSCPs fall into their classes, IPv4 and IPv6, what nobody takes into the default',
  async () => {
    await settle(OTHER_TREES['tree-pyqos']!);
    const cases: readonly (readonly [leaf: Handle, ...ping: string[]])[] = [
      ['510:', '-Q', '0xb8'],
      ['510:', '-m', '100'],
      ['511:', '-m', '200'],
      ['511:', '-Q', '0xa1'],
      ['513:', '-m', String(0x3ab)],
      ['513:', '-Q', '0x20'],
      ['512:', '-Q', '0x88'],
    ];
    for (const target of ['192.0.2.2', '2001:db8::2']) {
      for (const [leaf, ...options] of cases) {
        const before = readLeafCounters(await observeCounters(), DEV);
        await sh('ping', '-c', String(COUNT), '-i', '0.002', ...options, target);
        const after = readLeafCounters(await observeCounters(), DEV);
        const rose = (handle: Handle): number =>
          (after.get(handle)?.packets ?? 0) - (before.get(handle)?.packets ?? 0);
        assert.ok(rose(leaf) >= COUNT, `${options.join(' ')} to ${target}: ${rose(leaf)} in ${leaf}`);
        for (const other of (['510:', '511:', '513:'] as const).filter((one) => one !== leaf))
          assert.equal(rose(other), 0, `${options.join(' ')} to ${target} in ${other}`);
      }
    }
  },
);

check('tree-article-download: what has no class is not shaped, as its settings say', async () => {
  await settle(OTHER_TREES['tree-article-download']!);
  const before = readLeafCounters(await observeCounters(), DEV).get('510:')?.packets ?? 0;
  await sendPings(COUNT, 0, '192.0.2.2');
  assert.equal(readLeafCounters(await observeCounters(), DEV).get('510:')?.packets, before);
});

check('the kernel had nothing to complain about', async () => {
  const { stdout } = await shWith({}, 'dmesg', '--level=warn,err');
  assert.doesNotMatch(stdout, /htb|quantum|HTB|ets|cake/);
});

async function sideNow(): Promise<Side> {
  const observed = (await observeTc([DEV], new Set([DEV]))).get(DEV);
  return observed?.state === 'ours' ? observed.side : '6';
}

/** Applies the difference, or the whole tree on a side, and demands that nothing is then left to do. */
async function settle(tree: Tree, side?: Side): Promise<void> {
  const observed = (await observeTc([DEV], new Set([DEV]))).get(DEV) ?? { state: 'default' };
  const ops =
    side === undefined ? diffTc(DEV, tree, observed, { takeover: false }) : buildTree(DEV, tree, side);
  assert.deepEqual(await applyTc(renderTc([ops])), []);
  const after = (await observeTc([DEV], new Set([DEV]))).get(DEV);
  assert.ok(after?.state === 'ours');
  assert.deepEqual(after.strange, []);
  const left = renderTc([diffTc(DEV, tree, after, { takeover: false })]).text;
  assert.equal(left, '', `still to do: ${left}; observed ${JSON.stringify(after.tree)}`);
}

async function sendPings(count: number, tos: number, target: string): Promise<void> {
  await sh('ping', '-c', String(count), '-i', '0.002', '-Q', String(tos), target);
}

/** The packets that each band sent while the action ran. */
async function bandsOf(action: () => Promise<void>): Promise<number[]> {
  const before = await bandPackets();
  await action();
  return (await bandPackets()).map((packets, band) => packets - (before[band] ?? 0));
}

async function tinPackets(): Promise<number[]> {
  const qdiscs = (await observeCounters()) as { dev?: string; tins?: { sent_packets: number }[] }[];
  const tins = qdiscs.find(({ dev }) => dev === DEV)?.tins ?? [];
  return tins.map(({ sent_packets: packets }) => packets);
}

async function bandPackets(): Promise<number[]> {
  return readBandCounters(await observeCounters(), DEV).map(({ packets }) => packets);
}
