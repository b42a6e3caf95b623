// Owns what we read of network interfaces and routes (`ip -N -j`), and nothing about what is done with them.
import * as z from 'zod/mini';

/** A network interface. */
export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  /** Interface group: Qubes sets 2 on a client's vif and 1 on eth0 towards the NetVM (core-agent-linux vif-route-qubes, setup-ip). */
  readonly group: number;
  /** `veth`, `wireguard`, `tun`, `ifb`, …; undefined for real hardware and Xen's own devices. */
  readonly kind: string | undefined;
  readonly up: boolean;
  /** Bytes. */
  readonly mtu: number;
  /** True when its packets have no link-layer header: tunnels of IP packets, mobile broadband. */
  readonly headerless?: true;
  /** True for Wi-Fi. */
  readonly wireless?: true;
}

/** A unicast route, of either family. */
export interface Route {
  /** `default`, a prefix, or an address alone. */
  readonly dst: string;
  readonly dev: string;
  readonly metric: number;
  /** True when what is sent here reaches its destination without another router. */
  readonly direct: boolean;
}

// {"ifindex":4,"link":"eth0","ifname":"vif3.0","flags":["BROADCAST","MULTICAST","UP"],"mtu":1500,"group":"2",
//  "link_type":"[1]","linkinfo":{"info_kind":"veth"},…}; `ip link show` with a filter prints {} for what it leaves out.
const linkJson = z.looseObject({
  ifindex: z.optional(z.number()),
  ifname: z.optional(z.string()),
  flags: z.optional(z.array(z.string())),
  mtu: z.optional(z.number()),
  group: z.optional(z.string()),
  link_type: z.optional(z.string()),
  linkinfo: z.optional(z.looseObject({ info_kind: z.optional(z.string()) })),
});

// {"type":"1","dst":"default","gateway":"10.137.0.1","dev":"eth0","table":"254","protocol":"3","metric":100,…}
const routeJson = z.looseObject({
  type: z.optional(z.string()),
  dst: z.optional(z.string()),
  dev: z.optional(z.string()),
  metric: z.optional(z.number()),
  gateway: z.optional(z.string()),
  via: z.optional(z.unknown()),
  nexthops: z.optional(z.array(z.looseObject({ dev: z.optional(z.string()) }))),
});

/** ARPHRD_ETHER as `ip -N` prints it, and `ip`; the others that are uplinks (none, ppp, rawip) show bare IP packets. */
const ETHERNET: ReadonlySet<string> = new Set(['[1]', 'ether']);

/** Reads `ip -N -d -j link show`. Throws a ZodError when the shape is another. */
export function readLinks(json: unknown): Link[] {
  return z
    .array(linkJson)
    .parse(json)
    .flatMap(({ ifindex, ifname, flags, mtu, group, link_type: type, linkinfo }) =>
      ifindex === undefined || ifname === undefined
        ? []
        : [
            {
              ifindex,
              ifname,
              group: Number(group ?? 0),
              kind: linkinfo?.info_kind,
              up: flags?.includes('UP') ?? false,
              mtu: mtu ?? 1500,
              ...(type !== undefined && !ETHERNET.has(type) && { headerless: true as const }),
            },
          ],
    );
}

/** Unicast, as `ip -N` prints it or leaves it out (linux/rtnetlink.h RTN_UNICAST). */
const UNICAST = '1';

/** The unicast routes in `ip -N -j route show table all`, those of tables like wg-quick's included. */
export function readRoutes(json: unknown): Route[] {
  return z
    .array(routeJson)
    .parse(json)
    .flatMap(({ type, dst, dev, metric, gateway, via, nexthops }) => {
      if ((type ?? UNICAST) !== UNICAST || dst === undefined) return [];
      const devices = [dev, ...(nexthops ?? []).map((hop) => hop.dev)].filter((name) => name !== undefined);
      const direct = gateway === undefined && via === undefined && nexthops === undefined;
      return devices.map((name) => ({ dst, dev: name, metric: metric ?? 0, direct }));
    });
}

/** Halves of the address space, which OpenVPN's `redirect-gateway def1` and others use instead of a default route. */
const TOWARDS_INTERNET = new Set(['default', '0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1', '2000::/3']);

/** True for a route that alone says that the Internet is there. */
export function isDefaultRoute({ dst }: Route): boolean {
  return TOWARDS_INTERNET.has(dst);
}

/** The networks that an interface reaches without a router, IPv4 first: prefixes, not single addresses. */
export function connectedNetworks(routes: readonly Route[], ifname: string): string[] {
  const found = routes
    .filter((route) => route.dev === ifname && route.direct && !isDefaultRoute(route))
    .map(({ dst }) => dst)
    .filter((dst) => dst.includes('/'));
  return [...new Set(found)].sort(
    (a, b) => Number(a.includes(':')) - Number(b.includes(':')) || (a < b ? -1 : 1),
  );
}

/** The interfaces behind which the host with this address is: an HVM with a stub domain has two. */
export function interfacesOf(routes: readonly Route[], address: string): string[] {
  return routes.filter(({ dst, direct }) => direct && dst === address).map(({ dev }) => dev);
}
