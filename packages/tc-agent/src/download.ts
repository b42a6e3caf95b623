// Owns how what comes from the Internet is made to wait here: an ifb for each line, and the way of packets into it. Pure.
import type { Link } from '@qubes-qos/core/links';
import type { BitsPerSecond } from '@qubes-qos/core/rate';
import type { HookAction, HookFilter } from '@qubes-qos/core/tc/hooks/model';
import { policeBurst } from './limits.js';
import { isQubesUplink } from './roles.js';

/** Positions among our filters on a hook. */
const SLOT = { police: 0, washIp: 1, washIpv6: 2, restore: 3, redirect: 4 } as const;

/** The ifb of a line. The dash keeps Qubes from adding it to its flowtable (design.md 3.4). */
export function ifbOf({ ifindex }: Link): string {
  return `qos-${ifindex}`;
}

/** True for a device that this program made. */
export function isOurIfb({ ifname, kind }: Link): boolean {
  return kind === 'ifb' && /^qos-\d+$/.test(ifname);
}

/**
 * What a line's ingress does to each packet: forget what the Internet says of it, recall what its connection is, and
 * put it into the queue. Where flows are offloaded they must leave by the vifs first: a packet that comes back from an
 * ifb skips the flowtable (design.md 5).
 */
export function lineHooks(line: Link): HookFilter[] {
  const ingress = (slot: number, protocol: HookFilter['protocol'], ...actions: HookAction[]): HookFilter => ({
    ...{ hook: 'ingress', slot, protocol, actions },
  });
  const restore: HookAction = { action: 'restore' };
  return [
    ingress(SLOT.washIp, 'ip', { action: 'set-dscp', family: 'ip', dscp: 0 }),
    ingress(SLOT.washIpv6, 'ipv6', { action: 'set-dscp', family: 'ipv6', dscp: 0 }),
    isQubesUplink(line)
      ? ingress(SLOT.restore, 'all', restore)
      : ingress(SLOT.restore, 'all', restore, { action: 'redirect', to: ifbOf(line) }),
  ];
}

/**
 * Drops what comes in above a rate. The shaper holds back what goes on to clients; what this NetVM receives itself passes
 * it where flows are offloaded, and a flood that answers to no loss fills the line in any case.
 */
export function policeHooks(rate: BitsPerSecond | undefined): HookFilter[] {
  if (rate === undefined) return [];
  const actions = [{ action: 'police', rate, burst: policeBurst(rate) }] as const;
  return [{ hook: 'ingress', slot: SLOT.police, protocol: 'all', actions }];
}

/** What a vif does with what goes to its client, when its line is one whose flows are offloaded. */
export function vifHooks(line: Link): HookFilter[] {
  if (!isQubesUplink(line)) return [];
  return [
    {
      ...{ hook: 'egress', slot: SLOT.redirect, protocol: 'all' },
      actions: [{ action: 'redirect', to: ifbOf(line) }],
    },
  ];
}
