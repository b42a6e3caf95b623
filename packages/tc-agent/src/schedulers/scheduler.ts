// Owns the interface of a scheduler, and what all of them have in common: filters, leaves, sizes by rule.
import { CLASSES, DEFAULT_CLASS, classOf } from '@qubes-qos/core/classes';
import { ETHERNET_HEADER } from '@qubes-qos/core/overhead';
import type { BitsPerSecond } from '@qubes-qos/core/rate';
import type { Entrance } from '@qubes-qos/core/tc/sorters';
import {
  IP_FAMILIES,
  type DscpFilter,
  type Handle,
  type Qdisc,
  type QdiscKind,
  type QdiscOptions,
  type Tree,
} from '@qubes-qos/core/tc/model';

/** What a tree is built for. */
export interface TreeInput {
  /** What the shaper lets through; undefined for bands without shaping. */
  readonly rate: BitsPerSecond | undefined;
  /** Largest packet of the interface, bytes. */
  readonly mtu: number;
  /** True to clear the DSCP of what leaves, after it was queued: only cake leaves can. */
  readonly wash?: boolean;
  /** Which end of a connection is the client, on a line: clients then share evenly within a class. Only cake leaves can. */
  readonly hosts?: 'src' | 'dst' | undefined;
  /** True to drop TCP acknowledgements that a later one makes needless. Only cake leaves can. */
  readonly filterAcks?: boolean;
  /** How EF is admitted; without, it may fill the line. */
  readonly ef?: EfInput;
}

/** The limit of EF as a whole, and who shares what is within it. */
export interface EfInput {
  /** Bits per second. */
  readonly rate: BitsPerSecond;
  /** The interfaces of the clients; the first ones get a queue each, the others share one. */
  readonly clients: readonly Entrance[];
}

/** One way to queue five classes. */
export interface Scheduler {
  /** As `status` shows it. */
  readonly name: string;
  /** True when it shapes to a rate; then the rate is given. */
  readonly shapes: boolean;
  /** Kinds of qdisc that the kernel must have. */
  readonly needs: readonly QdiscKind[];
  /** Kinds that it needs besides to limit EF; absent when it cannot. */
  readonly efNeeds?: readonly QdiscKind[];
  build(input: TreeInput): Tree;
}

/** Bytes of a full frame as the queues count it. */
export function frameBytes({ mtu }: TreeInput): number {
  return mtu + ETHERNET_HEADER;
}

/**
 * Burst of an HTB class, bytes: what a timer that is 0.25 ms late must still be able to send, and never less than
 * a frame. More of it is jitter in the modem, less loses throughput above 100 Mbit/s (measured).
 */
export function burstBytes(rate: BitsPerSecond, input: TreeInput): number {
  return Math.max(frameBytes(input) + 86, Math.round((rate / 8) * 0.25e-3));
}

/** All 16 packet priorities to the band of the default class: filters decide, not the TOS bits of old. */
export const DEFAULT_PRIOMAP: readonly number[] = Array.from(
  { length: 16 },
  () => classOf(DEFAULT_CLASS).rank,
);

/** Longest packet that a qube can hand over at once (GSO), bytes. */
export const SUPER_PACKET = 65_536;

/**
 * Bytes a turn of each band after EF, for the smallest share: one frame. Where nothing is shaped a super-packet, which
 * with less takes a turn for each of its frames, and costs a fifth of the throughput (measured).
 */
export function etsQuanta(input: TreeInput): number[] {
  const turn = input.rate === undefined ? SUPER_PACKET : frameBytes(input);
  return CLASSES.filter(({ share }) => share > 0).map(({ share }) => share * turn);
}

/** Number of classes that are served strictly before the others. */
export const STRICT_BANDS = CLASSES.filter(({ share }) => share === 0).length;

/** ets with a band for each class, best first. */
export function etsOfAll(input: TreeInput): QdiscOptions {
  return {
    ...{ kind: 'ets', bands: CLASSES.length, strict: STRICT_BANDS },
    ...{ quanta: etsQuanta(input), priomap: DEFAULT_PRIOMAP },
  };
}

/**
 * Filters that send each class to the class of `classid`, IPv4 first. That of the default, to which all else goes
 * anyway, spares most packets the others.
 * @param options.first - number of the first filter of a family.
 * @param options.ranks - the classes that this parent tells apart; all by default.
 */
export function dscpFilters(
  parent: Handle,
  classid: (rank: number) => Handle,
  {
    first = 1,
    ranks = () => true,
  }: { readonly first?: number; readonly ranks?: (rank: number) => boolean } = {},
): DscpFilter[] {
  const told = CLASSES.filter(({ rank }) => ranks(rank));
  const inOrder = [...told].sort(
    (a, b) => Number(b.name === DEFAULT_CLASS) - Number(a.name === DEFAULT_CLASS),
  );
  return IP_FAMILIES.flatMap((family) =>
    inOrder.map(({ dscp, rank }, position) => ({
      ...{ parent, family, dscp, flowid: classid(rank), index: first + position },
    })),
  );
}

/** One leaf for each class: handles 510: to 550:. */
export function leaves(classid: (rank: number) => Handle, options: QdiscOptions): Qdisc[] {
  return CLASSES.map(({ rank }) => ({ handle: `5${rank + 1}0:`, parent: classid(rank), options }));
}

/** Smallest memory of a leaf, bytes: at 10 Mbit/s more of it changed no figure. */
const MIN_MEMORY = 1_000_000;
const MAX_MEMORY = 32_000_000;

/** Memory limit of a leaf, bytes: 400 ms of the rate, since a packet takes about twice its length in memory. */
export function leafMemory(rate: BitsPerSecond): number {
  return Math.round(Math.min(MAX_MEMORY, Math.max(MIN_MEMORY, (rate / 8) * 0.4)));
}
