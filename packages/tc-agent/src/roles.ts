// Owns what each interface is for. Pure: the interfaces and routes are arguments.
import type { Link, Route } from '@qubes-qos/core/links';
import type { TunnelName } from '@qubes-qos/core/overhead';
import { towardsInternet } from '@qubes-qos/core/reach';

/**
 * - `client`: a vif, behind which a qube is;
 * - `line`: the uplink whose other end is the bottleneck, shaped when its rate is known;
 * - `uplink`: another interface that leads towards the Internet.
 */
export type Role = 'client' | 'line' | 'uplink';

interface Network {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
}

/** All that can have a queue: every interface but the loopback. */
export function interfaceNames(links: readonly { readonly ifname: string }[]): string[] {
  return links.map(({ ifname }) => ifname).filter((name) => name !== 'lo');
}

/** Groups that Qubes gives: vif-route-qubes and setup-ip of core-agent-linux. */
export const GROUP_CLIENT = 2;
const GROUP_UPLINK = 1;

/** True for an interface of Qubes' own that leads to the NetVM, whose flows from vifs are offloaded. */
export function isQubesUplink({ group }: Link): boolean {
  return group === GROUP_UPLINK;
}

/**
 * Kinds of link whose packets another uplink carries again, and what they are sent in, where that is known. `tun` is
 * OpenVPN's and that of most other programs, with frames in it (tap) too; `ovpn-dco` is what `ovpn` was before Linux 6.16.
 */
export const TUNNEL_KINDS: ReadonlyMap<string, TunnelName | undefined> = new Map([
  ['wireguard', 'wireguard'],
  ['amneziawg', 'wireguard'],
  ['tun', 'openvpn'],
  ['ovpn', 'openvpn'],
  ['ovpn-dco', 'openvpn'],
  ['ppp', undefined],
]);

/** True for an interface whose packets another one carries again. */
export function isTunnel({ kind }: Link): boolean {
  return kind !== undefined && TUNNEL_KINDS.has(kind);
}

/** What a tunnel sends its packets in; undefined for what is no tunnel, or one whose cost is not known. */
export function tunnelName({ kind }: Link): TunnelName | undefined {
  return kind === undefined ? undefined : TUNNEL_KINDS.get(kind);
}

/** What xl makes; vif-route-qubes of core-agent-linux refuses any other name. */
const VIF_NAME = /^vif\d+\.\d+$/;

/**
 * True for a vif, behind which a qube is. One that is not up yet has no group; its filters are there all the earlier, since
 * once it is up a flow can be offloaded with its second packet, past everything that is not on the vif itself.
 */
export function isClient({ group, ifname, up }: Link): boolean {
  return group === GROUP_CLIENT || (group === 0 && !up && VIF_NAME.test(ifname));
}

/** The names of the vifs. */
export function clientsOf(links: readonly Link[]): ReadonlySet<string> {
  return new Set(links.filter(isClient).map(({ ifname }) => ifname));
}

/**
 * The names of the interfaces on which EF may have many queues: the uplinks, because which of them is the line depends on
 * the settings.
 */
export function uplinksOf({ links, routes }: Network): ReadonlySet<string> {
  const roles = [...rolesOf(links, routes)];
  return new Set(roles.flatMap(([ifname, role]) => (role === 'client' ? [] : [ifname])));
}

/**
 * The role of every interface that has one.
 * @param hasRate - whether the settings give an interface a rate, should it be a line.
 */
export function rolesOf(
  links: readonly Link[],
  routes: readonly Route[],
  hasRate: (ifname: string) => boolean = () => false,
): Map<string, Role> {
  const routed = towardsInternet(routes);
  const clients = links.filter(isClient);
  const uplinks = links.filter((link) => isUplink(link, routed));
  const lines = linesAmong(uplinks, hasRate);
  return new Map<string, Role>([
    ...clients.map(({ ifname }): [string, Role] => [ifname, 'client']),
    ...uplinks.map((link): [string, Role] => [link.ifname, lines.includes(link) ? 'line' : 'uplink']),
  ]);
}

function isUplink(link: Link, routed: ReadonlySet<string>): boolean {
  if (isQubesUplink(link)) return true;
  return link.group === 0 && link.ifname !== 'lo' && link.kind !== 'ifb' && routed.has(link.ifname);
}

// A tunnel is shaped rather than the interface that carries it: only inside the tunnel are the classes visible
// (WireGuard clears the outer DSCP). Without one, a NIC is nearer to the bottleneck than Xen's link to the NetVM.
// A tunnel without a rate yields to what carries it, if that has one: one line is shaped once.
function linesAmong(uplinks: readonly Link[], hasRate: (ifname: string) => boolean): readonly Link[] {
  const tunnels = uplinks.filter(isTunnel);
  const carriers = uplinks.filter((link) => !isTunnel(link));
  const nics = carriers.filter(({ group }) => group === 0);
  const nearest = nics.length > 0 ? nics : carriers;
  if (tunnels.length === 0) return nearest;
  const shaped = nearest.filter(({ ifname }) => hasRate(ifname));
  return shaped.length > 0 && !tunnels.some(({ ifname }) => hasRate(ifname)) ? shaped : tunnels;
}
