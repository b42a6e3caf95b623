// Owns the five bands without a shaper: for vifs, for uplinks that are not the line, and while no rate is known.
import { CLASSES } from '@qubes-qos/core/classes';
import type { Handle, QdiscOptions, Tree } from '@qubes-qos/core/tc/model';
import { cakeLeaf, fqCodelLeaf } from './leaf.js';
import {
  DEFAULT_PRIOMAP,
  STRICT_BANDS,
  dscpFilters,
  etsQuanta,
  leaves,
  type Scheduler,
  type TreeInput,
} from './scheduler.js';

export const etsBands: Scheduler = {
  name: 'ets+fq_codel',
  shapes: false,
  needs: ['ets', 'fq_codel'],
  build: (input) => build(etsRoot(input), fqCodelLeaf(input)),
};

/** For the last hop: cake leaves clear the DSCP of what leaves. */
export const etsCakeBands: Scheduler = {
  name: 'ets+cake',
  shapes: false,
  needs: ['ets', 'cake'],
  build: (input) => build(etsRoot(input), cakeLeaf(input)),
};

/** Where the kernel has no ets: strict bands, in which a busy better class can starve a worse one. */
export const prioBands: Scheduler = {
  name: 'prio+fq_codel',
  shapes: false,
  needs: ['prio', 'fq_codel'],
  build: (input) =>
    build({ kind: 'prio', bands: CLASSES.length, priomap: DEFAULT_PRIOMAP }, fqCodelLeaf(input)),
};

function etsRoot(input: TreeInput): QdiscOptions {
  return {
    ...{ kind: 'ets', bands: CLASSES.length, strict: STRICT_BANDS },
    ...{ quanta: etsQuanta(input), priomap: DEFAULT_PRIOMAP },
  };
}

function build(root: QdiscOptions, leaf: QdiscOptions): Tree {
  const band = (rank: number): Handle => `51:${rank + 1}`;
  return {
    qdiscs: [{ handle: '51:', parent: 'root', options: root }, ...leaves(band, leaf)],
    classes: [],
    filters: dscpFilters('51:', band),
    prefixes: [],
  };
}
