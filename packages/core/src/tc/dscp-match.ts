// Owns the match of a DSCP by u32: as it is written, and as `tc -j` shows it.
import type { IpFamily } from './model.js';

/** DSCP bits of the TOS byte and of the IPv6 traffic class; the two low bits are ECN and never looked at. */
export const DSCP_MASK = 0xfc;

const FIELD: Readonly<Record<IpFamily, string>> = { ip: 'ip dsfield', ipv6: 'ip6 priority' };

/** Where the DSCP lies in the first 32-bit word of each header, as u32 shows it: bits to the right of it. */
const SHIFT: Readonly<Record<IpFamily, number>> = { ip: 18, ipv6: 22 };

/** `ip dsfield 0xb8 0xfc`. @param dscp - 0 to 63. */
export function dscpWords(family: IpFamily, dscp: number): string {
  return `${FIELD[family]} ${byte(dscp)} 0x${DSCP_MASK.toString(16)}`;
}

/** The DSCP that a match of u32 asks for, or undefined when it asks for something else. */
export function dscpOf(
  family: IpFamily,
  match: { readonly value: string; readonly mask: string; readonly off: number },
): number | undefined {
  const shift = SHIFT[family];
  const isDscp = match.off === 0 && Number.parseInt(match.mask, 16) === 0x3f << shift;
  return isDscp ? Number.parseInt(match.value, 16) >>> shift : undefined;
}

/** A DSCP in the place that it has in its byte. */
export function byte(dscp: number): string {
  return `0x${(dscp << 2).toString(16).padStart(2, '0')}`;
}
