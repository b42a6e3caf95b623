// Owns filters by network address: which 32-bit words of the header u32 compares, and back again.
import { isIpv4, isIpv6 } from '../addresses.js';
import { hash } from './hash.js';
import type { IpFamily, PrefixFilter } from './model.js';

/** One comparison of u32: a word of the header, as `tc -j` shows it. */
export interface U32Match {
  /** Hexadecimal, no leading zeros. */
  readonly value: string;
  /** Hexadecimal. */
  readonly mask: string;
  /** Bytes from the start of the IP header. */
  readonly off: number;
}

/** Where the addresses begin, bytes (RFC 791, RFC 8200). */
const OFFSETS: Readonly<Record<IpFamily, Readonly<Record<PrefixFilter['side'], number>>>> = {
  ip: { src: 12, dst: 16 },
  ipv6: { src: 8, dst: 24 },
};

const WORD_BITS = 32;
const WORDS: Readonly<Record<IpFamily, number>> = { ip: 1, ipv6: 4 };

/** The family of a network or address. */
export function familyOfNetwork(network: string): IpFamily {
  return network.includes(':') ? 'ipv6' : 'ip';
}

/** True for `192.168.0.0/16` or `2001:db8::/32`. */
export function isNetwork(text: string): boolean {
  const [, address = '', length = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const most = isIpv4(address) ? 32 : isIpv6(address) ? 128 : -1;
  return Number(length) <= most;
}

/**
 * The network that a filter of these matches stands for, in its one shortest form; undefined when it is none.
 * The inverse of what tc makes of `match ip dst 192.168.0.0/16`: bits outside the mask are 0 in both.
 */
export function networkOfMatches(
  family: IpFamily,
  matches: readonly U32Match[],
): Pick<PrefixFilter, 'side' | 'network'> | undefined {
  const first = matches[0]?.off;
  const side = (['src', 'dst'] as const).find((one) => OFFSETS[family][one] === first);
  if (side === undefined || matches.length > WORDS[family]) return undefined;
  if (matches.some(({ off }, index) => off !== OFFSETS[family][side] + 4 * index)) return undefined;
  const masks = matches.map(({ mask }) => Number.parseInt(mask, 16));
  const lengths = masks.map((mask) => Math.clz32(~mask));
  const isPrefix = masks.every(
    (mask, index) =>
      mask === maskOf(lengths[index] ?? 0) && (mask === maskOf(WORD_BITS) || index === masks.length - 1),
  );
  if (!isPrefix) return undefined;
  const words = matches.map(({ value }) => Number.parseInt(value, 16));
  const length = lengths.reduce((sum, bits) => sum + bits, 0);
  return { side, network: `${addressText(family, words)}/${length}` };
}

/** The one form in which networks are compared: bits beyond the prefix cleared, IPv6 shortened. */
export function canonicalNetwork(network: string): string {
  const [address = '', lengthText = ''] = network.split('/');
  const family = familyOfNetwork(network);
  const length = Number(lengthText);
  const words = addressWords(family, address).map((word, index) => {
    const bits = Math.min(WORD_BITS, Math.max(0, length - WORD_BITS * index));
    return (word & maskOf(bits)) >>> 0;
  });
  return `${addressText(family, words)}/${length}`;
}

/** The addresses of a network, as numbers of 32 or 128 bits. */
export interface NetworkRange {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly last: bigint;
}

/** The range of a network such as `10.0.0.0/8` or `2000::/3`. */
export function networkRange(network: string): NetworkRange {
  const [address = '', length = ''] = network.split('/');
  const family = familyOfNetwork(network);
  const value = addressWords(family, address).reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
  const size = 1n << BigInt(WORD_BITS * WORDS[family] - Number(length));
  const first = value - (value % size);
  return { family, first, last: first + size - 1n };
}

/** A word of which the first bits are set. */
function maskOf(bits: number): number {
  return bits === 0 ? 0 : (-1 << (WORD_BITS - bits)) >>> 0;
}

function addressWords(family: IpFamily, address: string): number[] {
  if (family === 'ip') return [address.split('.').reduce((word, byte) => word * 256 + Number(byte), 0)];
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text
          .split(':')
          .flatMap((group) => (group.includes('.') ? embedded(group) : [Number.parseInt(group, 16)]));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
  return [0, 2, 4, 6].map((index) => (all[index] ?? 0) * 65_536 + (all[index + 1] ?? 0));
}

/** The IPv4 address at the end of an IPv6 one, as two groups. */
function embedded(address: string): [number, number] {
  const word = addressWords('ip', address)[0] ?? 0;
  return [word >>> 16, word & 0xffff];
}

function addressText(family: IpFamily, words: readonly number[]): string {
  if (family === 'ip') {
    const word = words[0] ?? 0;
    return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
  }
  const groups = Array.from({ length: 8 }, (_, index) => {
    const word = words[index >> 1] ?? 0;
    return index % 2 === 0 ? word >>> 16 : word & 0xffff;
  });
  return shortened(groups.map((group) => group.toString(16)));
}

/** The first of the longest runs of zeros becomes `::` (RFC 5952 section 4.2). */
function shortened(groups: readonly string[]): string {
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') return groups.join(':');
  const [before, after] = splitOnce(groups.join(':'), longest);
  return `${before.replace(/:$/, '')}::${after.replace(/^:/, '')}`;
}

function splitOnce(text: string, part: string): [string, string] {
  const at = new RegExp(`(?<![0-9a-f])${part}(?![0-9a-f])`).exec(text)?.index ?? 0;
  return [text.slice(0, at), text.slice(at + part.length)];
}

/** Numbers of u32 are 12 bits and give the order: filters by DSCP on the same parent begin here. */
export const AFTER_PREFIXES = 0xf00;
const NODES = AFTER_PREFIXES - 1;

/**
 * Numbers for filters by network: from what they match, because u32 cannot change the match of a number that is
 * taken. Two filters never share one.
 */
export function numberPrefixes(filters: readonly Omit<PrefixFilter, 'index'>[]): PrefixFilter[] {
  const taken = new Set<string>();
  return filters.map((filter) => {
    let index = hash(`${filter.side} ${filter.network}`) % NODES;
    while (taken.has(`${filter.family} ${index}`)) index = (index + 1) % NODES;
    taken.add(`${filter.family} ${index}`);
    return { ...filter, index: index + 1 };
  });
}
