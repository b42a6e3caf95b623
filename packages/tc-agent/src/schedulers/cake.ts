// Owns the one-qdisc shaper: cake at the root, with its tins used in the order of our classes, which no preset does
// (diffserv4 puts cs2 with cs0, diffserv8 puts it above).
import { CLASSES, DEFAULT_CLASS, type ClassName } from '@qubes-qos/core/classes';
import { QosError } from '@qubes-qos/core/errors';
import { IP_FAMILIES, type Filter, type Handle, type Tree } from '@qubes-qos/core/tc/model';
import { lineOptions } from './leaf.js';
import { leafMemory, type Scheduler, type TreeInput } from './scheduler.js';

/**
 * Tin of each class, from 1, the slowest. In diffserv8 each tin is promised 7/8 of what the one below it is. cs0 has the
 * tin that cake itself gives to DSCP 0, so that ARP, which no filter sees, falls there too.
 */
export const TINS: Readonly<Record<ClassName, number>> = { ef: 8, cs5: 7, cs0: 3, cs2: 2, cs1: 1 };

export const cakeScheduler: Scheduler = {
  name: 'cake',
  shapes: true,
  needs: ['cake'],
  build,
};

function build(input: TreeInput): Tree {
  const { rate } = input;
  if (rate === undefined) throw new QosError('internal', 'a shaper was planned without a rate.');
  return {
    qdiscs: [
      {
        handle: '51:',
        parent: 'root',
        options: {
          kind: 'cake',
          bandwidth: rate,
          diffserv: 'diffserv8',
          memlimit: leafMemory(rate),
          ...lineOptions(input),
        },
      },
    ],
    classes: [],
    filters: tinFilters(),
    prefixes: [],
  };
}

/** One filter for each class, and a last one that sends every code point of no class to the tin of cs0. */
function tinFilters(): Filter[] {
  const tin = (name: ClassName): Handle => `51:${TINS[name]}`;
  return IP_FAMILIES.flatMap((family) => [
    ...CLASSES.map(({ dscp, name }, position): Filter => ({
      ...{ parent: '51:', family, dscp, flowid: tin(name), index: position + 1, isPriority: true },
    })),
    {
      ...{ parent: '51:', family, mask: 0, flowid: tin(DEFAULT_CLASS), index: CLASSES.length + 1 },
      isPriority: true,
    },
  ]);
}
