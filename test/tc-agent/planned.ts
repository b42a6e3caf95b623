// A NetVM with one card and one client, and what the planner makes of it.
import type { Link, Route } from '@qubes-qos/core/links';
import { mergeConfig, parseFileSettings } from '@qubes-qos/core/tc-config';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { planTc, type DevicePlan } from '@qubes-qos/tc-agent/plan';

export const links: Link[] = [
  { ifindex: 1, ifname: 'lo', group: 0, kind: undefined, up: true, mtu: 65536 },
  { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 },
  { ifindex: 3, ifname: 'vif3.0', group: 2, kind: 'vif', up: true, mtu: 1500 },
  { ifindex: 4, ifname: 'ens7', group: 0, kind: undefined, up: true, mtu: 1500 },
];

export const routes: Route[] = [
  { dst: 'default', dev: 'ens6', metric: 0, direct: false },
  { dst: '192.168.1.0/24', dev: 'ens6', metric: 0, direct: true },
  { dst: '2001:db8:1::/64', dev: 'ens6', metric: 0, direct: true },
  { dst: '10.137.0.11', dev: 'vif3.0', metric: 32_749, direct: true },
];

/** The client, and another one. */
export const twoClients: Link[] = [
  ...links,
  { ifindex: 5, ifname: 'vif4.0', group: 2, kind: 'vif', up: true, mtu: 1500 },
];

/** The plan with this uplink feature, without these kinds of qdisc, with this file, and with these values of dom0. */
export function plan(
  feature?: string,
  missing: QdiscKind[] = [],
  toml: object = {},
  more: Record<string, string> = {},
  present: readonly Link[] = links,
): DevicePlan[] {
  const files = [
    { source: '/etc/qubes-qos/a.toml', settings: parseFileSettings('/etc/qubes-qos/a.toml', toml) },
  ];
  const config = mergeConfig(files, { ...(feature !== undefined && { 'qos-uplink': feature }), ...more });
  return planTc({
    links: present,
    routes,
    config,
    missing: new Set(missing),
  });
}

export const one = (plans: DevicePlan[], ifname: string): DevicePlan =>
  plans.find(({ link }) => link.ifname === ifname)!;
