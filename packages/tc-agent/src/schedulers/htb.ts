// Owns the shaper for kernels without ets: five HTB classes with guaranteed rates. Plain prio would starve CS1.
import { CLASSES, DEFAULT_CLASS, classOf } from '@qubes-qos/core/classes';
import { QosError } from '@qubes-qos/core/errors';
import { bitsPerSecond, type BitsPerSecond } from '@qubes-qos/core/rate';
import type { Handle, HtbClass, QdiscOptions, Tree } from '@qubes-qos/core/tc/model';
import { AFTER_PREFIXES } from '@qubes-qos/core/tc/prefixes';
import { cakeLeaf, fqCodelLeaf } from './leaf.js';
import { burstBytes, dscpFilters, frameBytes, leaves, type Scheduler, type TreeInput } from './scheduler.js';

export const htbCake: Scheduler = {
  name: 'htb+cake',
  shapes: true,
  needs: ['htb', 'cake'],
  build: (input) => build(input, cakeLeaf(input)),
};

export const htbFqCodel: Scheduler = {
  name: 'htb+fq_codel',
  shapes: true,
  needs: ['htb', 'fq_codel'],
  build: (input) => build(input, fqCodelLeaf(input)),
};

/** Part of the line that is guaranteed to classes served strictly first; the others share what is left by weight. */
const STRICT_GUARANTEE = 0.5;
/** Minor of the class of rank 0. */
const FIRST_MINOR = 0x11;

function build(input: TreeInput, leaf: QdiscOptions): Tree {
  const { rate } = input;
  if (rate === undefined) throw new QosError('internal', 'a shaper was planned without a rate.');
  const minor = (rank: number): number => FIRST_MINOR + rank;
  const classid = (rank: number): Handle => `51:${minor(rank).toString(16)}`;
  // Before it has classes the kernel takes it for a leaf, and warns of what it computes above 16 Mbit/s.
  const quantum = frameBytes(input);
  const shared = { ceil: rate, cburst: burstBytes(rate, input) };
  return {
    qdiscs: [
      {
        handle: '51:',
        parent: 'root',
        options: { kind: 'htb', default: minor(classOf(DEFAULT_CLASS).rank) },
      },
      ...leaves(classid, leaf),
    ],
    classes: [
      { classid: '51:1', parent: '51:', rate, burst: shared.cburst, quantum, prio: 0, ...shared },
      ...CLASSES.map(({ rank, share }): HtbClass => {
        const guaranteed = guaranteedRate(rate, share);
        return {
          classid: classid(rank),
          parent: '51:1',
          rate: guaranteed,
          burst: burstBytes(guaranteed, input),
          quantum: frameBytes(input) * Math.max(1, share),
          prio: rank,
          ...shared,
        };
      }),
    ],
    filters: dscpFilters('51:', classid, { first: AFTER_PREFIXES }),
    prefixes: [],
  };
}

function guaranteedRate(rate: BitsPerSecond, share: number): BitsPerSecond {
  const weights = CLASSES.reduce((sum, one) => sum + one.share, 0);
  const part = share === 0 ? STRICT_GUARANTEE : ((1 - STRICT_GUARANTEE) * share) / weights;
  // tc keeps whole bytes per second.
  return bitsPerSecond(Math.max(8, Math.floor((rate * part) / 8) * 8));
}
