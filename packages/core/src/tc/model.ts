// Owns the vocabulary of queueing trees: what we want (desired) and what the kernel has (observed) are both this.
import type { ClassOverhead, QdiscOptions, Stab } from './options.js';
import type { Sorter } from './sorters.js';

export type * from './options.js';

import type { HookOp, ObservedHooks } from './hooks/model.js';

/** `MAJOR:` of a qdisc or `MAJOR:MINOR` of a class, hexadecimal as tc writes them. */
export type Handle = `${string}:${string}`;

export interface Qdisc {
  readonly handle: Handle;
  readonly parent: 'root' | Handle;
  readonly options: QdiscOptions;
  /** How long packets are on the line; at the root only. */
  readonly stab?: Stab;
}

/** A class of an HTB qdisc; the classes of ets and prio come with their qdisc. */
export interface HtbClass {
  readonly classid: Handle;
  readonly parent: Handle;
  /** Bits per second. */
  readonly rate: number;
  /** Bits per second. */
  readonly ceil: number;
  /** Bytes. */
  readonly burst: number;
  /** Bytes. */
  readonly cburst: number;
  /**
   * Bytes; when undefined the kernel divides the rate by the root's r2q. Undefined in what is observed of a class that has
   * children, where tc does not show it.
   */
  readonly quantum: number | undefined;
  /** 0 (first) to 7. */
  readonly prio: number;
  /** What each packet costs beyond its length. */
  readonly overhead?: ClassOverhead;
}

export const IP_FAMILIES = ['ip', 'ipv6'] as const;
export type IpFamily = (typeof IP_FAMILIES)[number];

export interface U32Filter {
  readonly parent: Handle;
  readonly family: IpFamily;
  readonly flowid: Handle;
  /** True: `flowid` becomes the packet's priority, by which cake chooses the tin; a filter of cake's own cannot. */
  readonly isPriority?: boolean;
  /**
   * Position within its family, from 1, and order in which filters are tried: part of the filter's handle, which makes
   * `replace` idempotent.
   */
  readonly index: number;
}

/** One u32 filter that sends a DSCP to a class. */
export interface DscpFilter extends U32Filter {
  readonly dscp: number;
}

/** One u32 filter that sends packets whose mark is `value` under `mask` to a class. */
export interface MarkFilter extends U32Filter {
  readonly mark: { readonly value: number; readonly mask: number };
}

/** One u32 filter that takes every packet of its family. */
export interface AnyFilter extends U32Filter {
  readonly mask: 0;
}

export type Filter = DscpFilter | MarkFilter | AnyFilter;

/** One u32 filter that sends what goes to a network, or comes from it, to a class. */
export interface PrefixFilter extends U32Filter {
  readonly side: 'src' | 'dst';
  /** As canonicalNetwork writes it. */
  readonly network: string;
}

/** A whole tree on one device. */
export interface Tree {
  readonly qdiscs: readonly Qdisc[];
  readonly classes: readonly HtbClass[];
  readonly filters: readonly Filter[];
  /** On the same parent these come before the others. */
  readonly prefixes: readonly PrefixFilter[];
  /** Which queue of EF a packet waits in; none where EF has one queue. */
  readonly sorters?: readonly Sorter[];
}

/** What stands at the root of a device. */
export type Observed =
  /** What the kernel puts there by itself (handle 0:). */
  | { readonly state: 'default' }
  /** Somebody else's qdisc: never touched unless the user says `takeover`. */
  | { readonly state: 'foreign'; readonly kind: string; readonly handle: string }
  /** Ours, as far as it could be read. */
  | {
      readonly state: 'ours';
      readonly side: Side;
      /** In the handles of side 5, so that it compares with a desired tree. */
      readonly tree: Tree;
      /** What stands in our tree and is not in the model; such a tree is rebuilt. */
      readonly strange: readonly string[];
    };

/** What stands at the root of a device and hangs on its hooks. */
export type ObservedDevice = Observed & { readonly hooks: ObservedHooks };

/**
 * Which of the two sets of majors a tree uses: 5 is `51:`–`5f:` and `510:`–`5ff:`, 6 its twin. HTB cannot be
 * replaced under its own handle, so a rebuilt tree goes to the other side.
 */
export type Side = '5' | '6';

/** One step towards the desired state; each is one line for `tc -batch`. */
export type Op =
  | { readonly op: 'replace-qdisc'; readonly qdisc: Qdisc }
  | { readonly op: 'replace-class'; readonly htbClass: HtbClass }
  | { readonly op: 'replace-filter'; readonly filter: Filter }
  | { readonly op: 'replace-sorter'; readonly sorter: Sorter }
  | { readonly op: 'delete-sorter'; readonly sorter: Sorter }
  /** With the qdiscs below it. */
  | { readonly op: 'delete-class'; readonly classid: Handle }
  | { readonly op: 'replace-prefix'; readonly prefix: PrefixFilter }
  | { readonly op: 'delete-root' }
  | HookOp;

/** The ops of one device, on one side. */
export interface DeviceOps {
  readonly ifname: string;
  /** The side that the handles of these ops are written for. */
  readonly side: Side;
  readonly ops: readonly Op[];
}
