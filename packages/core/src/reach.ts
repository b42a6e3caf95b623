// Owns the question which interfaces lead towards the Internet, whatever routes a VPN writes to say so.
import { isDefaultRoute, type Route } from './links.js';
import { networkRange, type NetworkRange } from './tc/prefixes.js';

/** What may be of the Internet: of IPv6 only that is routed (RFC 4291 section 2.4). */
const INTERNET: readonly NetworkRange[] = [networkRange('0.0.0.0/0'), networkRange('2000::/3')];

/**
 * The interfaces with a default route, in whatever table, or with routes to half of all addresses of a family: WireGuard
 * with a list of networks around the local ones, `::/3` with `2000::/4` and `3000::/4` of OpenVPN.
 */
export function towardsInternet(routes: readonly Route[]): ReadonlySet<string> {
  const byDevice = new Map<string, Route[]>();
  for (const route of routes) {
    if (isHost(route)) continue;
    const own = byDevice.get(route.dev);
    if (own) own.push(route);
    else byDevice.set(route.dev, [route]);
  }
  const leading = [...byDevice].filter(
    ([, own]) => own.some(isDefaultRoute) || INTERNET.some((space) => coversHalf(own, space)),
  );
  return new Set(leading.map(([dev]) => dev));
}

function isHost({ dst }: Route): boolean {
  return dst !== 'default' && !dst.includes('/');
}

function coversHalf(routes: readonly Route[], space: NetworkRange): boolean {
  const ranges = routes
    .map(({ dst }) => networkRange(dst))
    .filter(({ family }) => family === space.family)
    .sort((a, b) => (a.first < b.first ? -1 : 1));
  let covered = 0n;
  let next = space.first;
  for (const { first, last } of ranges) {
    const from = first > next ? first : next;
    const until = last < space.last ? last : space.last;
    if (until < from) continue;
    covered += until - from + 1n;
    next = until + 1n;
  }
  return 2n * covered >= space.last - space.first + 1n;
}
