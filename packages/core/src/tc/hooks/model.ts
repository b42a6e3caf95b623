// Owns the model of what we hang on the ingress and egress hooks of an interface (clsact).
// The hooks are shared with others: only the preferences of our own range are ever touched.
import type { IpFamily } from '../model.js';

export type Hook = 'ingress' | 'egress';

/** The protocols of VLAN tags, as tc names them. */
export type TagProtocol = '802.1Q' | '802.1ad';

/** What happens to a packet, in order. */
export type HookAction =
  /** Writes the DSCP, 0 to 63, and leaves the ECN bits. */
  | { readonly action: 'set-dscp'; readonly family: IpFamily; readonly dscp: number }
  /** Takes the outer tag off; then the packet begins anew at the first filter. */
  | { readonly action: 'untag' }
  /** Lets the packet go on at once: later filters do not see it. */
  | { readonly action: 'pass' }
  /** Writes the DSCP that conntrack remembers of the connection, if it remembers one. */
  | { readonly action: 'restore' }
  /** Sends the packet through the qdisc of another device (an ifb) before it goes on. */
  | { readonly action: 'redirect'; readonly to: string }
  /** Drops what is above a rate. */
  | { readonly action: 'police'; readonly rate: number; readonly burst: number }
  /** Says by which user priority, 0-7, Wi-Fi is to send the packet, whatever its DSCP is by then. */
  | { readonly action: 'user-priority'; readonly priority: number };

/** One filter of ours, for every packet of its protocol, or those of one DSCP; of the protocol of a tag, those of VLAN 0. */
export interface HookFilter {
  readonly hook: Hook;
  /** Position, from 0: part of the preference. Only filters by DSCP share one. */
  readonly slot: number;
  /**
   * The other of its two positions, for one of which packets must find the old or the new at any moment: what takes its
   * place is added at the free position before the old one goes. Where a packet finds both, the later has the last word.
   */
  readonly spare?: number;
  readonly protocol: 'all' | IpFamily | TagProtocol;
  /** 0 to 63; the protocol is that of a family then. */
  readonly dscp?: number;
  readonly actions: readonly HookAction[];
}

/** A filter of ours as the kernel shows it. */
export interface ObservedFilter {
  readonly hook: Hook;
  readonly slot: number;
  readonly protocol: string;
  /** What `filterMark` gave when it was made; undefined when it is no filter that we would have made. */
  readonly mark: number | undefined;
  /** True for one of flower: it may share its place with others. */
  readonly isFlower?: boolean;
  /** The device of a redirect that is still there. */
  readonly to: string | undefined;
  /** Of a filter that lets one DSCP pass. */
  readonly dscp?: number;
}

/** What an interface has on its hooks. */
export interface ObservedHooks {
  /** `ingress` is the older qdisc of that name, which has no egress hook and is never ours. */
  readonly qdisc: 'none' | 'clsact' | 'ingress';
  readonly ours: readonly ObservedFilter[];
  /** Number of filters that are not ours. */
  readonly others: number;
}

/** An interface without hooks. */
export const NO_HOOKS: ObservedHooks = { qdisc: 'none', ours: [], others: 0 };

export type HookOp =
  | { readonly op: 'add-hooks' }
  | { readonly op: 'delete-hooks' }
  | { readonly op: 'add-hook-filter'; readonly filter: HookFilter }
  | { readonly op: 'delete-hook-filter'; readonly filter: ObservedFilter };

/** Our range of preferences; what others let the kernel choose begins at 49152. */
export const PREFERENCES = { first: 5100, count: 100 } as const;

/** True for a filter that lets the packets of one DSCP pass and does nothing else. */
export function letsPass({ dscp, actions }: HookFilter): boolean {
  return dscp !== undefined && actions.length === 1 && actions[0]?.action === 'pass';
}

/** True for a filter that takes only some of the packets of its protocol, and not by u32. */
export function isFlower(filter: HookFilter): boolean {
  return isTag(filter.protocol) || (filter.dscp !== undefined && !letsPass(filter));
}

/** True for the protocol of a VLAN tag. */
export function isTag(protocol: HookFilter['protocol']): protocol is TagProtocol {
  return protocol === '802.1Q' || protocol === '802.1ad';
}
