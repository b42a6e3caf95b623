// Owns what an address is: the text forms of IPv4 and IPv6 that QubesDB and features hold.

/** True for `10.137.0.5`. */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  );
}

/** True for `fd09:24ef:4179::a89:5`, and for one that ends like an IPv4 address (RFC 4291, 2.2). */
export function isIpv6(text: string): boolean {
  const [, start = '', end] = /^(.*:)([^:]*\.[^:]*)$/.exec(text) ?? [];
  if (end !== undefined) return isIpv4(end) && isIpv6(`${start}0:0`);
  const halves = text.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const isLong = halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length <= 7;
  return isLong && groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group));
}
