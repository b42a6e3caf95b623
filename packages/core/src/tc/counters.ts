// Owns the reading of what each queue has carried, from `tc -s -j qdisc show`.
import * as z from 'zod/mini';
import { CLASSES } from '../classes.js';
import { isEfQueue } from './handles.js';
import type { Handle } from './model.js';
import { readQdiscList } from './read.js';

/** What one queue has carried since it was built. */
export interface LeafCounters {
  readonly bytes: number;
  readonly packets: number;
  readonly drops: number;
  /** Bytes that wait now. */
  readonly backlog: number;
}

/** What one band of a tree of ours has carried since it was built. */
export interface BandCounters extends LeafCounters {
  /** Rank of the class, 0 first. */
  readonly rank: number;
}

const leafStats = z.looseObject({
  bytes: z.optional(z.number()),
  packets: z.optional(z.number()),
  drops: z.optional(z.number()),
  backlog: z.optional(z.number()),
});

/** The counters of every qdisc of ours on one device, by its handle of side 5, from `tc -s -j qdisc show`. */
export function readLeafCounters(json: unknown, ifname: string): Map<Handle, LeafCounters> {
  return new Map(
    readQdiscList(json)
      .filter(({ dev, handle }) => dev === ifname && /^[56][0-9a-f]{1,2}:$/.test(handle))
      .map((qdisc) => {
        const { bytes, packets, drops, backlog } = leafStats.parse(qdisc);
        const counters = {
          bytes: bytes ?? 0,
          packets: packets ?? 0,
          drops: drops ?? 0,
          backlog: backlog ?? 0,
        };
        return [qdisc.handle.replace(/^6/, '5') as Handle, counters];
      }),
  );
}

/**
 * The counters of each class on one device, from `tc -s -j qdisc show`: of the leaves 510: to 550: (or of the twin's), or
 * where EF has several queues, the sum of these.
 */
export function readBandCounters(json: unknown, ifname: string): BandCounters[] {
  return [...readLeafCounters(json, ifname)]
    .flatMap(([handle, counters]) => {
      const rank = rankOfLeaf(handle);
      return rank === undefined ? [] : [{ rank, ...counters }];
    })
    .reduce<BandCounters[]>(addTo, [])
    .sort((a, b) => a.rank - b.rank);
}

function rankOfLeaf(handle: Handle): number | undefined {
  if (isEfQueue(handle)) return 0;
  const rank = Number(/^5([1-9])0:$/.exec(handle)?.[1]);
  // Beyond the last class is what passes beside the shaper.
  return rank <= CLASSES.length ? rank - 1 : undefined;
}

function addTo(sums: BandCounters[], one: BandCounters): BandCounters[] {
  const sum = sums.find(({ rank }) => rank === one.rank);
  if (!sum) return [...sums, one];
  const total = {
    rank: one.rank,
    bytes: sum.bytes + one.bytes,
    packets: sum.packets + one.packets,
    drops: sum.drops + one.drops,
    backlog: sum.backlog + one.backlog,
  };
  return [...sums.filter((other) => other !== sum), total];
}
