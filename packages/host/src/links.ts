// Owns the reading of interfaces and routes from the running system, and the news that they changed.
import { existsSync } from 'node:fs';
import { readLinks, readRoutes, type Link, type Route } from '@qubes-qos/core/links';
import { parseJsonLines } from './json-lines.js';
import { follow, run, startSource, type Follower, type Source } from './process.js';

/** The network of this qube at one moment. */
export interface Network {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
}

/** The link to the radio of a Wi-Fi interface (kernel net/wireless/core.c). */
const RADIO = (ifname: string): string => `/sys/class/net/${ifname}/phy80211`;

/** Reads all interfaces and routes, in one process. @throws QosError of `run`, or `protocol` */
export async function observeNetwork(): Promise<Network> {
  const stdin = 'link show\nroute show table all\n';
  const { stdout } = await run(['ip', '-N', '-d', '-j', '-batch', '-'], { stdin });
  const [links, routes] = parseJsonLines(stdout, 'ip');
  return { links: readLinks(links ?? []).map(withRadio), routes: readRoutes(routes ?? []) };
}

/** ip does not tell what is Wi-Fi. Only hardware can be: what has a kind is not asked for. */
function withRadio(link: Link): Link {
  return link.kind === undefined && existsSync(RADIO(link.ifname)) ? { ...link, wireless: true } : link;
}

/** A line whenever an interface or a route changes. What changed is read back, never parsed from the line. */
export async function followNetwork(): Promise<Follower> {
  return follow(MONITOR);
}

/** The same news, for a process that waits in our place. */
export async function startNetworkSource(): Promise<Source> {
  return startSource(MONITOR);
}

const MONITOR = ['ip', 'monitor', 'link', 'route'] as const;
