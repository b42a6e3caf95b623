// Owns the vocabulary of queueing trees: what we want (desired) and what the kernel has (observed) are both this.

/** `MAJOR:` of a qdisc or `MAJOR:MINOR` of a class, hexadecimal as tc writes them. */
export type Handle = `${string}:${string}`;

/** Hierarchy token bucket without options of its own beyond the class of unclassified packets. */
export interface HtbOptions {
  readonly kind: 'htb';
  /** Minor of the default class, as a number (tc takes and prints it in hexadecimal). */
  readonly default: number;
}

/** Enhanced transmission selection: bands in strict order, then bands that share by quantum. */
export interface EtsOptions {
  readonly kind: 'ets';
  readonly bands: number;
  readonly strict: number;
  /** Bytes a turn of each band after the strict ones. */
  readonly quanta: readonly number[];
  /** Band for each of the 16 packet priorities, for packets that no filter matches. */
  readonly priomap: readonly number[];
}

/** Strict bands. */
export interface PrioOptions {
  readonly kind: 'prio';
  readonly bands: number;
  readonly priomap: readonly number[];
}

/** Cake as a leaf: flow isolation and splitting of GSO packets, no shaping of its own. */
export interface CakeOptions {
  readonly kind: 'cake';
  /** Most memory that the queue may hold, bytes. */
  readonly memlimit: number;
}

/** Fair queueing with CoDel. */
export interface FqCodelOptions {
  readonly kind: 'fq_codel';
  readonly flows: number;
  /** Most memory that the queue may hold, bytes. */
  readonly memoryLimit: number;
  /** Microseconds. */
  readonly target: number;
  /** Microseconds. */
  readonly interval: number;
}

export type QdiscOptions = HtbOptions | EtsOptions | PrioOptions | CakeOptions | FqCodelOptions;

/** The kinds of qdisc that we build. */
export type QdiscKind = QdiscOptions['kind'];

export interface Qdisc {
  readonly handle: Handle;
  readonly parent: 'root' | Handle;
  readonly options: QdiscOptions;
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
  /** Bytes; undefined in what is observed of a class that has children, where tc does not show it. */
  readonly quantum: number | undefined;
  /** 0 (first) to 7. */
  readonly prio: number;
}

export const IP_FAMILIES = ['ip', 'ipv6'] as const;
export type IpFamily = (typeof IP_FAMILIES)[number];

/** One u32 filter that sends a DSCP to a class. */
export interface DscpFilter {
  readonly parent: Handle;
  readonly family: IpFamily;
  readonly dscp: number;
  readonly flowid: Handle;
  /** Position within its family, from 1: part of the filter's handle, which makes `replace` idempotent. */
  readonly index: number;
}

/** A whole tree on one device. */
export interface Tree {
  readonly qdiscs: readonly Qdisc[];
  readonly classes: readonly HtbClass[];
  readonly filters: readonly DscpFilter[];
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

/**
 * Which of the two sets of majors a tree uses: 5 is `51:`–`5f:` and `510:`–`5ff:`, 6 its twin. HTB cannot be
 * replaced under its own handle, so a rebuilt tree goes to the other side.
 */
export type Side = '5' | '6';

/** One step towards the desired state; each is one line for `tc -batch`. */
export type Op =
  | { readonly op: 'replace-qdisc'; readonly qdisc: Qdisc }
  | { readonly op: 'replace-class'; readonly htbClass: HtbClass }
  | { readonly op: 'replace-filter'; readonly filter: DscpFilter }
  | { readonly op: 'delete-root' };

/** The ops of one device, on one side. */
export interface DeviceOps {
  readonly ifname: string;
  /** The side that the handles of these ops are written for. */
  readonly side: Side;
  readonly ops: readonly Op[];
}
