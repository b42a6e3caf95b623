// Owns the five bands without a shaper: for vifs, for uplinks that are not the line, and while no rate is known. At the first
// hop EF can still be limited to its share of a line that is further on: only there is it known which qube sends.
import { CLASSES } from '@qubes-qos/core/classes';
import { EF_SHAPER } from '@qubes-qos/core/tc/handles';
import type { Handle, QdiscOptions, Tree } from '@qubes-qos/core/tc/model';
import { EF_DEFAULT, efQueues, ofOneHost } from './admission.js';
import { cakeLeaf, fqCodelLeaf } from './leaf.js';
import {
  DEFAULT_PRIOMAP,
  burstBytes,
  dscpFilters,
  etsOfAll,
  frameBytes,
  leaves,
  type EfInput,
  type Scheduler,
  type TreeInput,
} from './scheduler.js';

export const etsBands: Scheduler = {
  name: 'ets+fq_codel',
  shapes: false,
  needs: ['ets', 'fq_codel'],
  efNeeds: ['htb', 'cake'],
  build: (input) => withLimit(build(etsOfAll(input), fqCodelLeaf(input)), input),
};

/** For the last hop: cake leaves clear the DSCP of what leaves. */
export const etsCakeBands: Scheduler = {
  name: 'ets+cake',
  shapes: false,
  needs: ['ets', 'cake'],
  efNeeds: ['htb', 'cake'],
  build: (input) => withLimit(build(etsOfAll(input), cakeLeaf(input)), input),
};

/** Where the kernel has no ets: strict bands, in which a busy better class can starve a worse one. */
export const prioBands: Scheduler = {
  name: 'prio+fq_codel',
  shapes: false,
  needs: ['prio', 'fq_codel'],
  build: (input) =>
    build({ kind: 'prio', bands: CLASSES.length, priomap: DEFAULT_PRIOMAP }, fqCodelLeaf(input)),
};

function build(root: QdiscOptions, leaf: QdiscOptions): Tree {
  const band = (rank: number): Handle => `51:${rank + 1}`;
  return {
    qdiscs: [{ handle: '51:', parent: 'root', options: root }, ...leaves(band, leaf)],
    classes: [],
    filters: dscpFilters('51:', band),
    prefixes: [],
  };
}

/** The tree with an HTB of its own in the band of EF, where EF is limited. */
function withLimit(tree: Tree, input: TreeInput): Tree {
  return input.ef ? limited(tree, input.ef, input) : tree;
}

function limited(tree: Tree, ef: EfInput, input: TreeInput): Tree {
  const band = '51:1';
  const whole: Handle = `${EF_SHAPER}2`;
  const queues = efQueues(whole, EF_SHAPER, ef, cakeLeaf({ ...ofOneHost(input), rate: ef.rate }), input);
  const burst = burstBytes(ef.rate, input);
  return {
    ...tree,
    qdiscs: [
      ...tree.qdiscs.filter(({ parent }) => parent !== band),
      { handle: EF_SHAPER, parent: band, options: { kind: 'htb', default: EF_DEFAULT } },
      ...queues.qdiscs,
    ],
    classes: [
      {
        ...{ classid: whole, parent: EF_SHAPER, rate: ef.rate, ceil: ef.rate, burst, cburst: burst },
        ...{ quantum: frameBytes(input), prio: 0 },
      },
      ...queues.classes,
    ],
    sorters: queues.sorters,
  };
}
