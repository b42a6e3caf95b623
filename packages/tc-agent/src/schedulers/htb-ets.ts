// Owns the best shaper measured so far: HTB just below the line, ets inside it, isolating leaves. Guarantees are quanta of
// ets and not rates of HTB classes: several of those send at once and overrun the modem. EF has a class of its own for its
// ceiling only; it and the class of the others borrow all they send, EF first.
import { CLASSES } from '@qubes-qos/core/classes';
import { QosError } from '@qubes-qos/core/errors';
import type { BitsPerSecond } from '@qubes-qos/core/rate';
import { EF_CLASS } from '@qubes-qos/core/tc/handles';
import type { Handle, QdiscOptions, Tree } from '@qubes-qos/core/tc/model';
import { AFTER_PREFIXES } from '@qubes-qos/core/tc/prefixes';
import { BORROWS, efQueues, ofOneHost } from './admission.js';
import { cakeLeaf, fqCodelLeaf } from './leaf.js';
import {
  DEFAULT_PRIOMAP,
  STRICT_BANDS,
  burstBytes,
  dscpFilters,
  etsOfAll,
  etsQuanta,
  frameBytes,
  leaves,
  type EfInput,
  type Scheduler,
  type TreeInput,
} from './scheduler.js';

/** EF p99 at 10 Mbit/s within 0.01 ms of the physical floor. */
export const htbEtsCake: Scheduler = {
  name: 'htb+ets+cake',
  shapes: true,
  needs: ['htb', 'ets', 'cake'],
  efNeeds: [],
  build: (input) => build(input, cakeLeaf),
};

/** The same where the kernel has no cake: GSO packets stay whole, EF waits up to a frame longer. */
export const htbEtsFqCodel: Scheduler = {
  name: 'htb+ets+fq_codel',
  shapes: true,
  needs: ['htb', 'ets', 'fq_codel'],
  efNeeds: [],
  build: (input) => build(input, fqCodelLeaf),
};

type Leaf = (input: TreeInput) => QdiscOptions;

function build(input: TreeInput, leaf: Leaf): Tree {
  const { rate } = input;
  if (rate === undefined) throw new QosError('internal', 'a shaper was planned without a rate.');
  return input.ef ? buildLimited(input, rate, input.ef, leaf) : buildOpen(input, rate, leaf);
}

/** EF may fill the line. */
function buildOpen(input: TreeInput, rate: BitsPerSecond, leaf: Leaf): Tree {
  const burst = burstBytes(rate, input);
  const band = (rank: number): Handle => `52:${rank + 1}`;
  return {
    qdiscs: [
      { handle: '51:', parent: 'root', options: { kind: 'htb', default: 1 } },
      { handle: '52:', parent: '51:1', options: etsOfAll(input) },
      ...leaves(band, leaf(input)),
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

/** Minor of the class that holds all but EF. */
const REST = 3;

/** EF has a ceiling, and a queue for each client. */
function buildLimited(input: TreeInput, rate: BitsPerSecond, ef: EfInput, leaf: Leaf): Tree {
  const queues = efQueues(EF_CLASS, EF_CLASS, ef, leaf(ofOneHost(input)), input);
  const burst = burstBytes(rate, input);
  const quantum = frameBytes(input);
  const borrows = { parent: '51:1', rate: BORROWS, burst: burstBytes(BORROWS, input), quantum } as const;
  const band = (rank: number): Handle => `52:${rank}`;
  const isOther = (rank: number) => rank >= STRICT_BANDS;
  const others = CLASSES.filter(({ rank }) => isOther(rank));
  return {
    qdiscs: [
      { handle: '51:', parent: 'root', options: { kind: 'htb', default: REST } },
      {
        handle: '52:',
        parent: `51:${REST}`,
        options: {
          ...{ kind: 'ets', bands: others.length, strict: 0, quanta: etsQuanta(input) },
          priomap: DEFAULT_PRIOMAP.map((defaultRank) => defaultRank - STRICT_BANDS),
        },
      },
      ...leaves(band, leaf(input)).filter((_, rank) => isOther(rank)),
      ...queues.qdiscs,
    ],
    classes: [
      { classid: '51:1', parent: '51:', rate, ceil: rate, burst, cburst: burst, quantum, prio: 0 },
      { ...borrows, classid: EF_CLASS, ceil: ef.rate, cburst: burstBytes(ef.rate, input), prio: 0 },
      { ...borrows, classid: `51:${REST}`, ceil: rate, cburst: burst, prio: 1 },
      ...queues.classes,
    ],
    filters: [
      ...dscpFilters('51:', () => EF_CLASS, { first: AFTER_PREFIXES, ranks: (rank) => !isOther(rank) }),
      ...dscpFilters('52:', band, { ranks: isOther }),
    ],
    prefixes: [],
    sorters: queues.sorters,
  };
}
