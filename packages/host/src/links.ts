// Owns the reading of interfaces and routes from the running system, and the news that they changed.
import { readLinks, readRoutes, type Link, type Route } from '@qubes-qos/core/links';
import { parseJsonLines } from './json-lines.js';
import { follow, run, type Follower } from './process.js';

/** The network of this qube at one moment. */
export interface Network {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
}

/** Reads all interfaces and routes, in one process. @throws QosError of `run`, or `protocol` */
export async function observeNetwork(): Promise<Network> {
  const stdin = 'link show\nroute show table all\n';
  const { stdout } = await run(['ip', '-N', '-d', '-j', '-batch', '-'], { stdin });
  const [links, routes] = parseJsonLines(stdout, 'ip');
  return { links: readLinks(links ?? []), routes: readRoutes(routes ?? []) };
}

/** A line whenever an interface or a route changes. What changed is read back, never parsed from the line. */
export async function followNetwork(): Promise<Follower> {
  return follow(['ip', 'monitor', 'link', 'route']);
}
