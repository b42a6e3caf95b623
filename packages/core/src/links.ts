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
}

/** A route towards the Internet, of either family. */
export interface DefaultRoute {
  readonly dev: string;
  readonly metric: number;
}

// {"ifindex":4,"link":"eth0","ifname":"vif3.0","flags":["BROADCAST","MULTICAST","UP"],"mtu":1500,"group":"2",
//  "linkinfo":{"info_kind":"veth"},…}; `ip link show` with a filter prints {} for what it leaves out.
const linkJson = z.looseObject({
  ifindex: z.optional(z.number()),
  ifname: z.optional(z.string()),
  flags: z.optional(z.array(z.string())),
  mtu: z.optional(z.number()),
  group: z.optional(z.string()),
  linkinfo: z.optional(z.looseObject({ info_kind: z.optional(z.string()) })),
});

// {"type":"1","dst":"default","gateway":"10.137.0.1","dev":"eth0","table":"254","protocol":"3","metric":100,…}
const routeJson = z.looseObject({
  type: z.optional(z.string()),
  dst: z.optional(z.string()),
  dev: z.optional(z.string()),
  metric: z.optional(z.number()),
  nexthops: z.optional(z.array(z.looseObject({ dev: z.optional(z.string()) }))),
});

/** Reads `ip -N -d -j link show`. Throws a ZodError when the shape is another. */
export function readLinks(json: unknown): Link[] {
  return z
    .array(linkJson)
    .parse(json)
    .flatMap(({ ifindex, ifname, flags, mtu, group, linkinfo }) =>
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
            },
          ],
    );
}

/** Halves of the address space, which OpenVPN's `redirect-gateway def1` and others use instead of a default route. */
const TOWARDS_INTERNET = new Set(['default', '0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1', '2000::/3']);

/** Unicast, as `ip -N` prints it (linux/rtnetlink.h RTN_UNICAST). */
const UNICAST = '1';

/** The routes towards the Internet in `ip -N -j route show table all`; wg-quick's are in a table of their own. */
export function readDefaultRoutes(json: unknown): DefaultRoute[] {
  return z
    .array(routeJson)
    .parse(json)
    .flatMap(({ type, dst, dev, metric, nexthops }) => {
      if ((type ?? UNICAST) !== UNICAST || !TOWARDS_INTERNET.has(dst ?? '')) return [];
      const devices = [dev, ...(nexthops ?? []).map((hop) => hop.dev)].filter((name) => name !== undefined);
      return devices.map((name) => ({ dev: name, metric: metric ?? 0 }));
    });
}
