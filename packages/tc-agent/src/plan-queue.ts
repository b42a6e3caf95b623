// Owns the choice how one interface queues: a tree of the user's own, or the best scheduler that the kernel can do. Pure.
import type { Link } from '@qubes-qos/core/links';
import {
  ETHERNET_HEADER,
  parseOverhead,
  tunnelOverhead,
  type TunnelOverhead,
} from '@qubes-qos/core/overhead';
import { formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import type { LineSettings, TcConfig } from '@qubes-qos/core/tc-config';
import type { QdiscKind, Tree } from '@qubes-qos/core/tc/model';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import { planTree } from './plan-tree.js';
import { wholeBytes } from './line-rate.js';
import { isClient, tunnelName } from './roles.js';
import { chooseScheduler } from './schedulers/choose.js';
import { chargeOverhead } from './schedulers/overhead.js';
import type { EfInput } from './schedulers/scheduler.js';
import type { BuiltTree } from './schedulers/tree.js';

/** How an interface queues. */
export interface Queue {
  readonly tree: Tree | undefined;
  /** Name of the scheduler, or `none`. */
  readonly scheduler: string;
  /** What the shaper lets through; undefined without one. */
  readonly rate: BitsPerSecond | undefined;
  /** Why it is this tree and not another, one clause each. */
  readonly notes: readonly string[];
  /** The classes of a tree of the user's own; the others have the five. */
  readonly classes?: BuiltTree['classes'];
}

export const NO_QUEUE: Queue = { tree: undefined, scheduler: 'none', rate: undefined, notes: [] };

/** What an interface is to do. */
export interface QueueRequest {
  readonly settings: LineSettings;
  /** The rate to shape to; bands without a shaper when absent. */
  readonly rate?: BitsPerSecond | undefined;
  /** True to clear the DSCP of what leaves. */
  readonly wash?: boolean;
  /** Which end of a connection is the client, on a line. */
  readonly hosts?: 'src' | 'dst';
  readonly filterAcks?: boolean;
  /** True where EF gets its share only. */
  readonly limitsEf?: boolean;
  readonly notes?: readonly string[];
}

interface QueueInput {
  readonly links: readonly Link[];
  readonly config: TcConfig;
  /** Kinds of qdisc that this kernel turned out not to have. */
  readonly missing: ReadonlySet<QdiscKind>;
}

/** The queue of an interface. */
export function planQueue(link: Link, request: QueueRequest, input: QueueInput): Queue {
  const plan = request.settings.scheduler === 'tree' ? planOwnTreeOrBest : planScheduler;
  return withoutWash(plan(link, request, input), request);
}

/** A tree of the user's own that cannot be built is replaced, and the notes say why. */
function planOwnTreeOrBest(link: Link, request: QueueRequest, input: QueueInput): Queue {
  try {
    return planOwnTree(link, request, input);
  } catch (error) {
    if (!(error instanceof TreeFault)) throw error;
    const trouble = `${error.path.join('.')}: ${error.message}: no tree of your own`;
    return planScheduler(link, { ...request, notes: [trouble, ...(request.notes ?? [])] }, input);
  }
}

function planOwnTree(link: Link, { settings }: QueueRequest, { config, missing }: QueueInput): Queue {
  const { name, tree, rate, classes, notes } = planTree(link, settings, config);
  const lacking = tree.qdiscs.map(({ options }) => options.kind).filter((kind) => missing.has(kind));
  if (lacking.length > 0) throw new TreeFault(['tree', name], `this kernel lacks ${lacking.join(' and ')}`);
  // A tree of the user's own says itself what it counts.
  const cost = settings.overhead === undefined ? undefined : costOf(link, settings);
  return { tree: charged(tree, link, cost), scheduler: `tree ${name}`, rate, notes, classes };
}

function planScheduler(
  link: Link,
  {
    settings,
    rate: wanted,
    wash = false,
    hosts,
    filterAcks = false,
    limitsEf = false,
    notes = [],
  }: QueueRequest,
  { links, missing }: QueueInput,
): Queue {
  const name = settings.scheduler === 'tree' ? undefined : settings.scheduler;
  const choice = chooseScheduler(wanted !== undefined, missing, { name, wash });
  if (!choice) {
    const why = `this kernel lacks ${[...missing].join(', ')}: the interface keeps its own queue`;
    return { ...NO_QUEUE, notes: [...notes, why] };
  }
  const { scheduler, lacking } = choice;
  const rate = scheduler.shapes ? wanted : undefined;
  const canLimit = limitsEf && (scheduler.efNeeds?.every((kind) => !missing.has(kind)) ?? false);
  const ef = canLimit ? efInput(settings, rate, links) : undefined;
  const said = [...notes, ...(ef ? [`EF has at most ${formatRate(ef.rate)} of it`] : [])];
  const cost = costOf(link, settings);
  if (cost?.own !== undefined && rate !== undefined) said.push(costNote(cost.overhead.bytes, cost.own));
  const instead = `this kernel lacks ${lacking.join(' and ')}: ${scheduler.name} instead`;
  return {
    tree: charged(
      scheduler.build({ rate, mtu: link.mtu, wash, filterAcks, ...(hosts && { hosts }), ...(ef && { ef }) }),
      link,
      cost,
    ),
    scheduler: scheduler.name,
    rate,
    notes: lacking.length === 0 ? said : [...said, instead],
  };
}

/** What EF may have as a whole: its share of what the shaper lets through, and no more than a line further on gives it. */
function efInput(
  { ef_share: share = 100, ef }: LineSettings,
  rate: BitsPerSecond | undefined,
  links: readonly Link[],
): EfInput | undefined {
  const limits = [...(rate === undefined ? [] : [(rate * share) / 100]), ...(ef === undefined ? [] : [ef])];
  if (limits.length === 0) return undefined;
  const clients = links
    .filter(isClient)
    .map(({ ifindex, ifname }) => ({ ifindex, ifname }))
    .sort((a, b) => a.ifindex - b.ifindex);
  return { rate: wholeBytes(Math.min(...limits)), clients };
}

function charged(tree: Tree, link: Link, cost: TunnelOverhead | undefined): Tree {
  return cost === undefined ? tree : chargeOverhead(tree, cost.overhead, headerBytes(link));
}

/** What a packet of this interface costs on the line; undefined: what the interface counts. */
function costOf(link: Link, { overhead }: LineSettings): TunnelOverhead | undefined {
  const tunnel = tunnelName(link);
  if (tunnel !== undefined) return tunnelOverhead(tunnel, overhead, headerBytes(link));
  return overhead === undefined ? undefined : { overhead: parseOverhead(overhead) };
}

function costNote(bytes: number, own: number): string {
  return `each packet counts ${bytes} bytes more: ${own} for the tunnel, ${bytes - own} for the link that carries it`;
}

/** What the interface itself counts beyond the network layer. */
function headerBytes({ headerless }: Link): number {
  return headerless === true ? 0 : ETHERNET_HEADER;
}

/** Says so where the DSCP is to be cleared, and no qdisc of the tree can. */
function withoutWash(queue: Queue, { wash = false }: QueueRequest): Queue {
  const washes = queue.tree?.qdiscs.some(({ options }) => options.kind === 'cake' && options.wash === true);
  if (!wash || washes === true) return queue;
  return { ...queue, notes: [...queue.notes, 'the DSCP stays on what leaves'] };
}
