// Owns the bits of a connection's mark that are ours (design.md 3.4): its class, for packets that do not say it themselves.

/** Where the DSCP of the connection is: the top six bits. */
export const MARK_DSCP = 0xfc000000;

/** Set with it, so that DSCP 0 can be told from no mark. */
export const MARK_SET = 0x01000000;

/** Bits of a mark that are somebody else's: a connection that has one is left alone. */
export const FOREIGN_BITS = ~(MARK_DSCP | MARK_SET) >>> 0;

const DSCP_SHIFT = 26;

/** The whole mark of a connection whose packets have this DSCP. */
export function markOf(dscp: number): number {
  return ((dscp << DSCP_SHIFT) | MARK_SET) >>> 0;
}
