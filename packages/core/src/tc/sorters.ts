// Owns the filters that sort the packets of EF into queues of their own: by the interface they came in by, and TCP apart.
import { onSide, offSide } from './handles.js';
import type { Handle, IpFamily, Side } from './model.js';

/**
 * - `from`: what came in by this interface. The kernel remembers it with the packet, through NAT and flowtable;
 * - `rest`: everything that no `from` took;
 * - `tcp`: TCP of one family.
 */
export type Sorter =
  | { readonly sort: 'from'; readonly parent: Handle; readonly flowid: Handle; readonly from: Entrance }
  | { readonly sort: 'rest'; readonly parent: Handle; readonly flowid: Handle }
  | { readonly sort: 'tcp'; readonly parent: Handle; readonly flowid: Handle; readonly family: IpFamily };

/** An interface by which packets come in. */
export interface Entrance {
  readonly ifindex: number;
  readonly ifname: string;
}

const FROM_PREF = 1;
const REST_PREF = 2;
/** A preference holds one protocol, and u32 numbers the hash tables from 800 in the order of creation. */
const TCP: Readonly<
  Record<
    IpFamily,
    { readonly pref: number; readonly table: string; readonly match: string; readonly word: string }
  >
> = {
  // The protocol is byte 9 of the IPv4 header and byte 6 of the IPv6 header; a `word` is value/mask@offset as u32 shows it.
  ip: { pref: 1, table: '800', match: 'ip protocol 6 0xff', word: '60000/ff0000@8' },
  ipv6: { pref: 2, table: '801', match: 'ip6 protocol 6 0xff', word: '600/ff00@4' },
};

/** What tells a sorter from the others of its device. */
export function sorterKey(sorter: Sorter): string {
  const which = { from: sorter.sort === 'from' ? sorter.from.ifindex : 0, rest: 0, tcp: 0 }[sorter.sort];
  const family = sorter.sort === 'tcp' ? sorter.family : '';
  return `${sorter.parent} ${sorter.sort} ${which} ${family}`;
}

/** True when the observed sorter does what the desired one should; both have the same key. */
export function sameSorter(desired: Sorter, observed: Sorter): boolean {
  const name = (sorter: Sorter) => (sorter.sort === 'from' ? sorter.from.ifname : '');
  return desired.flowid === observed.flowid && name(desired) === name(observed);
}

/** The line for `tc -batch` that makes it so. */
export function renderSorter(sorter: Sorter, ifname: string, side: Side): string {
  return `filter replace ${placeOf(sorter, ifname, side)} ${wordsOf(sorter)} ${onSide(sorter.flowid, side)}`;
}

/** The line for `tc -batch` that removes it. */
export function renderSorterRemoval(sorter: Sorter, ifname: string, side: Side): string {
  return `filter delete ${placeOf(sorter, ifname, side)} ${sorter.sort === 'tcp' ? 'u32' : 'flower'}`;
}

function placeOf(sorter: Sorter, ifname: string, side: Side): string {
  const parent = `dev ${ifname} parent ${onSide(sorter.parent, side)}`;
  switch (sorter.sort) {
    case 'from':
      return `${parent} protocol all pref ${FROM_PREF} handle ${sorter.from.ifindex}`;
    case 'rest':
      return `${parent} protocol all pref ${REST_PREF} handle 1`;
    case 'tcp':
      return `${parent} protocol ${sorter.family} pref ${TCP[sorter.family].pref} handle ${TCP[sorter.family].table}::1`;
  }
}

function wordsOf(sorter: Sorter): string {
  switch (sorter.sort) {
    case 'from':
      return `flower indev ${sorter.from.ifname} classid`;
    case 'rest':
      return 'flower classid';
    case 'tcp':
      return `u32 match ${TCP[sorter.family].match} flowid`;
  }
}

/** A filter as `tc -j` shows it, as far as sorters have something there. */
export interface SorterJson {
  readonly protocol: string;
  readonly pref: number;
  readonly kind: string;
  readonly options?:
    | {
        readonly fh?: string | undefined;
        readonly flowid?: string | undefined;
        readonly handle?: number | undefined;
        readonly classid?: string | undefined;
        readonly indev?: string | undefined;
        readonly keys?: Readonly<Record<string, unknown>> | undefined;
        readonly match?: { readonly value: string; readonly mask: string; readonly off: number } | undefined;
      }
    | undefined;
}

/**
 * The sorter that a filter is, or undefined when it is none. Of an interface that vanished tc shows the number only.
 * {"protocol":"all","pref":1,"kind":"flower","options":{"handle":3,"classid":"51:21","indev":"vif3.0","keys":{},…}}
 * {"protocol":"ip","pref":1,"kind":"u32","options":{"fh":"800::1","flowid":"531:2","match":{"value":"60000","mask":"ff0000","off":8}}}
 */
export function readSorter(json: SorterJson, parentOnSide: string, side: Side): Sorter | undefined {
  const { handle, classid, indev = '', keys = {}, fh, flowid, match } = json.options ?? {};
  const parent = offSide(parentOnSide, side);
  if (json.kind === 'flower' && json.protocol === 'all' && classid !== undefined && handle !== undefined) {
    if (Object.keys(keys).length > 0) return undefined;
    const target = { parent, flowid: offSide(classid, side) };
    if (json.pref === FROM_PREF) return { sort: 'from', ...target, from: { ifindex: handle, ifname: indev } };
    return json.pref === REST_PREF && handle === 1 && indev === '' ? { sort: 'rest', ...target } : undefined;
  }
  const family = json.protocol === 'ip' || json.protocol === 'ipv6' ? json.protocol : undefined;
  if (json.kind !== 'u32' || !family || !match || flowid === undefined) return undefined;
  const { pref, table, word } = TCP[family];
  const isTcp = `${match.value}/${match.mask}@${match.off}` === word;
  if (json.pref !== pref || fh !== `${table}::1` || !isTcp) return undefined;
  return { sort: 'tcp', parent, flowid: offSide(flowid, side), family };
}
