// Owns what an nft table is to us: plain data, comparable, the same for desired and observed.
// A new match or statement is one more member of NftExpression; render.ts and read.ts then do not compile without it.

/** Address families of the tables that we own (design.md 3.4). */
export type NftFamily = 'inet' | 'netdev';

/** Names one table. */
export interface TableId {
  readonly family: NftFamily;
  readonly name: string;
}

/** A table with all that is in it. */
export interface NftTable {
  readonly id: TableId;
  readonly chains: readonly NftChain[];
  /** What is in the table and has no place in this model, as JSON; a desired table has none. */
  readonly foreign: readonly string[];
}

/** A chain; without `base` it is reached only by jumps. */
export interface NftChain {
  readonly name: string;
  readonly base?: NftBase;
  readonly rules: readonly NftRule[];
}

/** Where a base chain is hooked in. */
export interface NftBase {
  readonly type: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  /** The device of a netdev chain. */
  readonly device?: string;
}

/** Matches and statements, in the order in which the kernel runs them. */
export interface NftRule {
  readonly expressions: readonly NftExpression[];
  readonly comment?: string;
}

/** A rule without a comment. */
export function rule(...expressions: readonly NftExpression[]): NftRule {
  return { expressions };
}

/** One match or statement. */
export type NftExpression =
  /** A property of the packet: its interface, group, owner. */
  | {
      readonly kind: 'meta';
      readonly key: MetaKey;
      readonly op: '==' | '!=';
      readonly value: string | number;
    }
  /** The DSCP, 0-63, of a packet of this address family. */
  | { readonly kind: 'dscp'; readonly family: 'ip' | 'ip6'; readonly dscp: number }
  /** The protocol above IP. */
  | { readonly kind: 'l4proto'; readonly protocol: L4Protocol }
  /** The destination port, both ends included. */
  | {
      readonly kind: 'dport';
      readonly protocol: Exclude<L4Protocol, 'icmp' | 'ipv6-icmp'>;
      readonly first: number;
      readonly last: number;
    }
  /** The destination, with its prefix length, in its canonical form. */
  | { readonly kind: 'daddr'; readonly family: 'ip' | 'ip6'; readonly network: string }
  /** Some bits of the packet's mark. */
  | { readonly kind: 'mark'; readonly mask: number; readonly value: number }
  /**
   * The cgroup of the packet's socket, or one above that: a path below /sys/fs/cgroup. The kernel holds the number of the
   * cgroup that has this path when the rule is loaded; nft shows the number when there is none any more.
   */
  | { readonly kind: 'cgroup'; readonly path: string }
  /** Some bits of the connection's mark. */
  | { readonly kind: 'ct-mark'; readonly mask: number; readonly op: '==' | '!='; readonly value: number }
  /** Writes the whole mark of the connection. */
  | { readonly kind: 'set-ct-mark'; readonly value: number }
  /** Writes the DSCP, 0-63; the two ECN bits stay. A rule matches only packets of its own address family. */
  | { readonly kind: 'set-dscp'; readonly family: 'ip' | 'ip6'; readonly dscp: number }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  /** Walks through another chain of the table, and goes on here where that has no verdict. */
  | { readonly kind: 'jump'; readonly chain: string }
  /** What the kernel has and this model has not, as JSON. */
  | { readonly kind: 'foreign'; readonly json: string };

/** The packet properties that a rule may match; the last two, the owner of its socket, are numbers. */
export const META_KEYS = ['oif', 'iif', 'iifgroup', 'skuid', 'skgid'] as const;
export type MetaKey = (typeof META_KEYS)[number];

/** The protocols above IP that a rule may match, and their numbers (IANA): names need /etc/protocols. */
export const L4_PROTOCOLS = { tcp: 6, udp: 17, sctp: 132, dccp: 33, icmp: 1, 'ipv6-icmp': 58 } as const;
export type L4Protocol = keyof typeof L4_PROTOCOLS;

/** A mask of all bits: nft shows a comparison with it without the mask. */
export const ALL_BITS = 0xffff_ffff;

/** How a rule may end the walk through its chain. */
export const VERDICTS = ['accept', 'drop', 'return'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** One step of an nft transaction. A table is replaced whole: the kernel swaps it in between two packets. */
export type NftOp =
  { readonly op: 'replace'; readonly table: NftTable } | { readonly op: 'delete'; readonly id: TableId };
