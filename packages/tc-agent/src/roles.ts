// Owns what each interface is for. Pure: the interfaces and routes are arguments.
import { isDefaultRoute, type Link, type Route } from '@qubes-qos/core/links';

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

/** Groups that Qubes gives: vif-route-qubes and setup-ip of core-agent-linux. */
const GROUP_CLIENT = 2;
const GROUP_UPLINK = 1;

/** True for an interface of Qubes' own that leads to the NetVM, whose flows from vifs are offloaded. */
export function isQubesUplink({ group }: Link): boolean {
  return group === GROUP_UPLINK;
}

/** True for an interface whose packets another one carries again, encrypted. */
export function isTunnel({ kind }: Link): boolean {
  return kind !== undefined && TUNNEL_KINDS.has(kind);
}

/** Kinds of link that carry what another uplink carries again, encrypted. */
export const TUNNEL_KINDS: ReadonlySet<string> = new Set(['wireguard', 'tun', 'amneziawg', 'ovpn', 'ppp']);

/** True for a vif, behind which a qube is. */
export function isClient({ group }: Link): boolean {
  return group === GROUP_CLIENT;
}

/** The names of the vifs. */
export function clientsOf(links: readonly Link[]): ReadonlySet<string> {
  return new Set(links.filter(isClient).map(({ ifname }) => ifname));
}

/** The names of the lines. */
export function linesOf({ links, routes }: Network): ReadonlySet<string> {
  return new Set([...rolesOf(links, routes)].flatMap(([ifname, role]) => (role === 'line' ? [ifname] : [])));
}

/** The role of every interface that has one. */
export function rolesOf(links: readonly Link[], routes: readonly Route[]): Map<string, Role> {
  const routed = new Set(routes.filter(isDefaultRoute).map(({ dev }) => dev));
  const clients = links.filter(isClient);
  const uplinks = links.filter((link) => isUplink(link, routed));
  const lines = linesAmong(uplinks);
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
function linesAmong(uplinks: readonly Link[]): readonly Link[] {
  const tunnels = uplinks.filter(isTunnel);
  if (tunnels.length > 0) return tunnels;
  const nics = uplinks.filter(({ group }) => group === 0);
  return nics.length > 0 ? nics : uplinks;
}
