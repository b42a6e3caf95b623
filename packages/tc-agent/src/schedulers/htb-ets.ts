// Owns the best shaper measured so far: one HTB class just below the line, ets inside it, isolating leaves.
// Guarantees are quanta of ets and not rates of HTB classes: several of those send at once and overrun the modem.
import { CLASSES } from '@qubes-qos/core/classes';
import { QosError } from '@qubes-qos/core/errors';
import type { Handle, QdiscOptions, Tree } from '@qubes-qos/core/tc/model';
import { cakeLeaf, fqCodelLeaf } from './leaf.js';
import {
  DEFAULT_PRIOMAP,
  STRICT_BANDS,
  burstBytes,
  dscpFilters,
  etsQuanta,
  frameBytes,
  leaves,
  type Scheduler,
  type TreeInput,
} from './scheduler.js';

/** EF p99 at 10 Mbit/s within 0.01 ms of the physical floor. */
export const htbEtsCake: Scheduler = {
  name: 'htb+ets+cake',
  shapes: true,
  needs: ['htb', 'ets', 'cake'],
  build: (input) => build(input, cakeLeaf(input)),
};

/** The same where the kernel has no cake: GSO packets stay whole, EF waits up to a frame longer. */
export const htbEtsFqCodel: Scheduler = {
  name: 'htb+ets+fq_codel',
  shapes: true,
  needs: ['htb', 'ets', 'fq_codel'],
  build: (input) => build(input, fqCodelLeaf(input)),
};

function build(input: TreeInput, leaf: QdiscOptions): Tree {
  const { rate } = input;
  if (rate === undefined) throw new QosError('internal', 'a shaper was planned without a rate.');
  const burst = burstBytes(rate, input);
  const band = (rank: number): Handle => `52:${rank + 1}`;
  return {
    qdiscs: [
      { handle: '51:', parent: 'root', options: { kind: 'htb', default: 1 } },
      {
        handle: '52:',
        parent: '51:1',
        options: {
          kind: 'ets',
          bands: CLASSES.length,
          strict: STRICT_BANDS,
          quanta: etsQuanta(input),
          priomap: DEFAULT_PRIOMAP,
        },
      },
      ...leaves(band, leaf),
    ],
    classes: [
      {
        classid: '51:1',
        parent: '51:',
        rate,
        ceil: rate,
        burst,
        cburst: burst,
        quantum: frameBytes(input),
        prio: 0,
      },
    ],
    filters: dscpFilters('52:', band),
    prefixes: [],
  };
}
