// Owns what we hang on the ingress and egress hooks of an interface (clsact): model, text, reading and difference.
// The hooks are shared with others: only the preferences of our own range are ever touched.
import * as z from 'zod/mini';
import { MARK_DSCP, MARK_SET } from '../connection-mark.js';
import { byte, dscpOf, dscpWords } from './dscp-match.js';
import { hash } from './hash.js';
import type { IpFamily } from './model.js';

export type Hook = 'ingress' | 'egress';

/** What happens to a packet, in order. */
export type HookAction =
  /** Writes the DSCP, 0 to 63, and leaves the ECN bits. */
  | { readonly action: 'set-dscp'; readonly family: IpFamily; readonly dscp: number }
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

/** One filter of ours, for every packet of its protocol, or those of one DSCP. */
export interface HookFilter {
  readonly hook: Hook;
  /** Position, from 0: part of the preference. Only filters by DSCP share one. */
  readonly slot: number;
  /**
   * The other of its two positions, for one of which packets must find the old or the new at any moment: what takes its
   * place is added at the free position before the old one goes. Where a packet finds both, the later has the last word.
   */
  readonly spare?: number;
  readonly protocol: 'all' | IpFamily;
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
  /** True for one by DSCP. */
  readonly byDscp?: boolean;
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
const FIRST_PREF = 5100;
const SLOTS = 100;

/** A packet can be a GSO super-packet of 64 KB: police(8) lets nothing through that is longer than its mtu. */
const POLICE_MTU = 65_535;

/**
 * The number that a filter carries as its handle: the same for the same actions. tc does not show what a policer was
 * told, nor a pedit in a form to compare; the handle shows it.
 */
export function filterMark(filter: HookFilter): number {
  // The handle of matchall and of flower is a number of 32 bits other than 0.
  const { dscp } = filter;
  return hash(dscp === undefined ? actionWords(filter) : `${matchWords(filter)} ${actionWords(filter)}`) || 1;
}

/** One line for `tc -batch`. */
export function renderHookOp(op: HookOp, ifname: string): string {
  switch (op.op) {
    case 'add-hooks':
      return `qdisc add dev ${ifname} clsact`;
    case 'delete-hooks':
      return `qdisc delete dev ${ifname} clsact`;
    case 'add-hook-filter':
      return `filter add dev ${ifname} ${place(op.filter)} ${kindWords(op.filter)} ${actionWords(op.filter)}`;
    case 'delete-hook-filter':
      return `filter delete dev ${ifname} ${place(op.filter)}${numberWords(op.filter)}`;
  }
}

/** What a client sends goes through filters that let pass: u32 costs it a third of flower. It has no number to choose. */
function passes({ dscp, actions }: HookFilter): boolean {
  return dscp !== undefined && actions.length === 1 && actions[0]?.action === 'pass';
}

function kindWords(filter: HookFilter): string {
  const { dscp, protocol } = filter;
  if (passes(filter) && dscp !== undefined && protocol !== 'all')
    return `u32 match ${dscpWords(protocol, dscp)}`;
  return `handle ${filterMark(filter)} ${matchWords(filter)}`;
}

/** flower reads the DSCP of both families. */
function matchWords({ dscp }: HookFilter): string {
  return dscp === undefined ? 'matchall' : `flower ip_tos ${byte(dscp)}/0xfc`;
}

/** Only one of several at its place is to go. */
function numberWords({ byDscp = false, mark }: ObservedFilter): string {
  return byDscp && mark !== undefined ? ` handle ${mark} flower` : '';
}

function place({ hook, protocol, slot }: Pick<HookFilter, 'hook' | 'slot'> & { protocol: string }): string {
  return `${hook} protocol ${protocol} pref ${FIRST_PREF + slot}`;
}

function actionWords({ actions }: HookFilter): string {
  return actions
    .map((action, position) => `action ${words(action, position === actions.length - 1)}`)
    .join(' ');
}

/** @param last - the last action lets later filters see the packet, the others lead to the next action. */
function words(action: HookAction, last: boolean): string {
  const control = last ? 'continue' : 'pipe';
  switch (action.action) {
    case 'set-dscp':
      return action.family === 'ip'
        ? `pedit ex munge ip tos set ${byte(action.dscp)} retain 0xfc pipe action csum ip4h ${control}`
        : `pedit ex munge ip6 traffic_class set ${byte(action.dscp)} retain 0xfc ${control}`;
    case 'pass':
      return 'pass';
    case 'restore':
      return `ctinfo dscp 0x${MARK_DSCP.toString(16)} 0x${MARK_SET.toString(16).padStart(8, '0')} ${control}`;
    case 'redirect':
      return `mirred egress redirect dev ${action.to}`;
    case 'user-priority':
      // Values from 256 to 263 of the packet priority are user priorities (net/wireless/util.c, cfg80211_classify8021d).
      return `skbedit priority 0:10${action.priority} ${control}`;
    case 'police':
      return `police rate ${action.rate}bit burst ${action.burst}b mtu ${POLICE_MTU} conform-exceed drop/${control}`;
  }
}

// {"protocol":"all","pref":5103,"kind":"matchall","chain":0,"options":{"handle":1,"actions":[{"order":1,"kind":"ctinfo",…},
//  {"order":2,"kind":"mirred","mirred_action":"redirect","direction":"egress","to_dev":"qos-2",…}]}}
const hookFilterJson = z.looseObject({
  protocol: z.string(),
  pref: z.number(),
  kind: z.string(),
  chain: z.optional(z.number()),
  options: z.optional(
    z.looseObject({
      handle: z.optional(z.number()),
      fh: z.optional(z.string()),
      match: z.optional(z.looseObject({ value: z.string(), mask: z.string(), off: z.number() })),
      actions: z.optional(
        z.array(
          z.looseObject({
            kind: z.string(),
            to_dev: z.optional(z.string()),
            control_action: z.optional(z.looseObject({ type: z.string() })),
          }),
        ),
      ),
    }),
  ),
});

/** The classifiers of our filters. */
const KINDS: ReadonlySet<string> = new Set(['matchall', 'flower']);

/** Reads `tc -j filter show dev X ingress` and `… egress`. Throws a ZodError when the shape is another. */
export function readHooks(
  qdisc: ObservedHooks['qdisc'],
  lists: Readonly<Record<Hook, readonly unknown[]>>,
): ObservedHooks {
  const all = (['ingress', 'egress'] as const).flatMap((hook) =>
    // The first rows of a preference announce it, and the hash table of u32.
    lists[hook]
      .map((item) => hookFilterJson.parse(item))
      .filter(({ options }) => options !== undefined && options.fh?.endsWith(':') !== true)
      .map((json) => ({ hook, json })),
  );
  const isOurs = ({ pref }: { pref: number }): boolean => pref >= FIRST_PREF && pref < FIRST_PREF + SLOTS;
  const ours = all.filter(({ json }) => isOurs(json));
  return {
    qdisc,
    ours: ours.map(({ hook, json: { pref, protocol, kind, options } }) => ({
      ...{ hook, protocol, slot: pref - FIRST_PREF },
      mark: KINDS.has(kind) ? options?.handle : undefined,
      ...(kind === 'flower' && { byDscp: true }),
      to: options?.actions?.find((action) => action.to_dev !== undefined)?.to_dev,
      ...passedDscp(protocol, kind, options),
    })),
    others: all.length - ours.length,
  };
}

/** Its DSCP, when the filter lets packets of one pass and does nothing else. */
function passedDscp(
  protocol: string,
  kind: string,
  { match, actions }: z.infer<typeof hookFilterJson>['options'] = {},
): Pick<ObservedFilter, 'dscp'> {
  const [action, ...others] = actions ?? [];
  const passes = action?.kind === 'gact' && action.control_action?.type === 'pass' && others.length === 0;
  if (kind !== 'u32' || !passes || !match || (protocol !== 'ip' && protocol !== 'ipv6')) return {};
  const dscp = dscpOf(protocol, match);
  return dscp === undefined ? {} : { dscp };
}

/**
 * The ops that lead from observed to desired; none when nothing is to be done. matchall cannot be changed (kernel
 * cls_matchall.c, mall_change), so a filter that is another is deleted and added. Packets come between the two; they find
 * at least one of them where the filter has a spare position.
 */
export function diffHooks(desired: readonly HookFilter[], observed: ObservedHooks): HookOp[] {
  const kept = new Set(desired.map((wanted) => observed.ours.find((filter) => isSame(wanted, filter))));
  const stale = observed.ours.filter((filter) => !kept.has(filter));
  const missing = desired.filter((wanted) => !observed.ours.some((filter) => isSame(wanted, filter)));
  const guards = missing.filter(hasSpare).map((wanted) => freePlace(wanted, observed.ours));
  const inTheWay = stale.filter((filter) => guards.some((guard) => isAt(guard, guard.slot, filter)));
  const left = observed.others + observed.ours.length - stale.length + missing.length;
  return [
    ...(missing.length > 0 && observed.qdisc === 'none' ? [{ op: 'add-hooks' } as const] : []),
    ...inTheWay.map(deletion),
    ...guards.map(addition),
    ...stale.filter((filter) => !inTheWay.includes(filter)).map(deletion),
    ...missing.filter((wanted) => !hasSpare(wanted)).map(addition),
    ...(stale.length > 0 && left === 0 && observed.qdisc === 'clsact'
      ? [{ op: 'delete-hooks' } as const]
      : []),
  ];
}

function addition(filter: HookFilter): HookOp {
  return { op: 'add-hook-filter', filter };
}

function deletion(filter: ObservedFilter): HookOp {
  return { op: 'delete-hook-filter', filter };
}

function hasSpare({ spare }: HookFilter): boolean {
  return spare !== undefined;
}

/** At its spare position when only the first is taken. Of two that are stale the later has the last word meanwhile. */
function freePlace(wanted: HookFilter, ours: readonly ObservedFilter[]): HookFilter {
  const { slot, spare = slot } = wanted;
  const isTaken = (position: number): boolean => ours.some((filter) => isAt(wanted, position, filter));
  return isTaken(slot) && !isTaken(spare) ? { ...wanted, slot: spare } : wanted;
}

function isAt({ hook }: HookFilter, slot: number, filter: ObservedFilter): boolean {
  return filter.hook === hook && filter.slot === slot;
}

function isSame(
  wanted: HookFilter,
  { hook, slot, protocol, mark, byDscp = false, to, dscp }: ObservedFilter,
): boolean {
  const redirect = wanted.actions.find((action) => action.action === 'redirect');
  return (
    wanted.hook === hook &&
    (wanted.slot === slot || wanted.spare === slot) &&
    wanted.protocol === protocol &&
    (passes(wanted)
      ? wanted.dscp === dscp
      : (wanted.dscp !== undefined) === byDscp && filterMark(wanted) === mark) &&
    redirect?.to === to
  );
}
