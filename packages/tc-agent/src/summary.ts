// Owns the one line that says what is in force. Pure.
import { formatRate } from '@qubes-qos/core/rate';
import type { DevicePlan } from './plan.js';

/** `ens6 htb+ets+cake at 9500kbit, 3 vifs ets+fq_codel`. */
export function summaryOf(plans: readonly DevicePlan[]): string {
  const uplinks = plans.filter(({ role }) => role === 'line' || role === 'uplink');
  const clients = plans.filter(({ role }) => role === 'client');
  const parts = uplinks.map(({ link, scheduler, rate }) =>
    rate === undefined
      ? `${link.ifname} ${scheduler} without a shaper`
      : `${link.ifname} ${scheduler} at ${formatRate(rate)}`,
  );
  const downloads = plans.filter(({ role }) => role === 'download');
  parts.push(
    ...downloads.map(
      ({ link, rate }) =>
        `${link.ifname} at ${rate === undefined ? 'no rate' : formatRate(rate)} for what comes in`,
    ),
  );
  const schedulers = [...new Set(clients.map(({ scheduler }) => scheduler))].join(' or ');
  if (clients.length > 0)
    parts.push(`${clients.length} ${clients.length === 1 ? 'vif' : 'vifs'} ${schedulers}`);
  return parts.length === 0 ? 'no uplink and no vif' : parts.join(', ');
}
