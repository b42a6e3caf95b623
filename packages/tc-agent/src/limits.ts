// Owns the limit of what a client sends. What it receives waits in the tree of its vif instead. Pure.
import type { ClientPolicy } from '@qubes-qos/core/client-policy';
import type { Route } from '@qubes-qos/core/links';
import { interfacesOf } from '@qubes-qos/core/links';
import type { BitsPerSecond } from '@qubes-qos/core/rate';
import type { HookFilter } from '@qubes-qos/core/tc/hooks/model';

const SLOT = 4;

/** A super-packet of 64 KB must fit, or nothing of a TCP flow gets through. */
const MIN_BURST = 65_536;
/** Above 20 Mbit/s a flow's super-packets are longer than that: what the rate carries in this time, seconds. */
const BURST_TIME = 0.026;

/** What dom0 says of the client behind each vif, by interface: the vif that a route to its address leads to. */
export function clientsByInterface(
  clients: ReadonlyMap<string, ClientPolicy>,
  routes: readonly Route[],
): Map<string, ClientPolicy> {
  return new Map(
    [...clients].flatMap(([address, policy]) =>
      interfacesOf(routes, address).map((ifname): [string, ClientPolicy] => [ifname, policy]),
    ),
  );
}

/** Drops what a client sends above its limit; a queue here would cost it the offload of its flows (design.md 5). */
export function limitHooks({ up, burst }: ClientPolicy): HookFilter[] {
  if (up === undefined) return [];
  return [
    {
      ...{ hook: 'ingress', slot: SLOT, protocol: 'all' },
      actions: [{ action: 'police', rate: up, burst: burst ?? policeBurst(up) }],
    },
  ];
}

/** Bytes that a policer lets through at once: without super-packets nothing of a TCP flow gets through. */
export function policeBurst(rate: BitsPerSecond): number {
  return Math.max(MIN_BURST, Math.round((rate / 8) * BURST_TIME));
}
