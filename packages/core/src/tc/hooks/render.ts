// Owns the text of what hangs on the hooks: one op, one line for `tc -batch`; and the number by which a filter is known again.
import { MARK_DSCP, MARK_SET } from '../../connection-mark.js';
import { byte, dscpWords } from '../dscp-match.js';
import { hash } from '../hash.js';
import {
  isTag,
  letsPass,
  PREFERENCES,
  type HookAction,
  type HookFilter,
  type HookOp,
  type ObservedFilter,
} from './model.js';

/** A packet can be a GSO super-packet of 64 KB: police(8) lets nothing through that is longer than its mtu. */
const POLICE_MTU = 65_535;

/**
 * The number that a filter carries as its handle: the same for the same actions. tc does not show what a policer was
 * told, nor a pedit in a form to compare; the handle shows it.
 */
export function filterMark(filter: HookFilter): number {
  // The handle of matchall and of flower is a number of 32 bits other than 0.
  const match = matchWords(filter);
  return hash(match === MATCHALL ? actionWords(filter) : `${match} ${actionWords(filter)}`) || 1;
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

// What a client sends goes through filters that let pass: u32 costs it a third of flower. It has no number to choose.
function kindWords(filter: HookFilter): string {
  const { dscp, protocol } = filter;
  if (letsPass(filter) && dscp !== undefined && protocol !== 'all' && !isTag(protocol))
    return `u32 match ${dscpWords(protocol, dscp)}`;
  return `handle ${filterMark(filter)} ${matchWords(filter)}`;
}

const MATCHALL = 'matchall';

/** flower reads the DSCP of both families. */
function matchWords({ dscp, protocol }: HookFilter): string {
  if (isTag(protocol)) return 'flower vlan_id 0';
  return dscp === undefined ? MATCHALL : `flower ip_tos ${byte(dscp)}/0xfc`;
}

/** Only one of several at its place is to go. */
function numberWords({ isFlower = false, mark }: ObservedFilter): string {
  return isFlower && mark !== undefined ? ` handle ${mark} flower` : '';
}

function place({ hook, protocol, slot }: Pick<HookFilter, 'hook' | 'slot'> & { protocol: string }): string {
  return `${hook} protocol ${protocol} pref ${PREFERENCES.first + slot}`;
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
    case 'untag':
      return 'vlan pop reclassify';
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
