// Owns what an address is: the text forms of IPv4 and IPv6 that QubesDB and features hold.
import * as z from 'zod/mini';

const IPV4 = z.ipv4();
const IPV6 = z.ipv6();

/** True for `10.137.0.5`. */
export function isIpv4(text: string): boolean {
  return z.safeParse(IPV4, text).success;
}

/** True for `fd09:24ef:4179::a89:5`. */
export function isIpv6(text: string): boolean {
  return z.safeParse(IPV6, text).success;
}
