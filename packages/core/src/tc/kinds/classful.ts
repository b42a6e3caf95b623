// Owns the rows of the kinds that have classes: htb, ets, prio.
import type { EtsOptions, HtbOptions, PrioOptions } from '../options.js';
import { equalLists, numbersOf, pair, sameIfSaid, type KindSpec } from './spec.js';

/** What the kernel takes for a rate per quantum when none is said (tc's q_htb.c). */
export const DEFAULT_R2Q = 10;

export const HTB: KindSpec<HtbOptions> = {
  words: (htb) => [
    ...pair('default', htb.default.toString(16)),
    ...pair('r2q', htb.r2q),
    ...pair('direct_qlen', htb.directQlen),
  ],
  // {"r2q":10,"default":"0x1","direct_packets_stat":0,"direct_qlen":1000}
  read: (json) => ({
    kind: 'htb',
    default: Number.parseInt(String(json['default']), 16),
    r2q: Number(json['r2q']),
    directQlen: Number(json['direct_qlen']),
  }),
  same: (a, b) =>
    a.default === b.default &&
    (a.r2q ?? DEFAULT_R2Q) === (b.r2q ?? DEFAULT_R2Q) &&
    sameIfSaid(a.directQlen, b.directQlen),
  // HTB has no change operation.
  change: () => undefined,
};

export const ETS: KindSpec<EtsOptions> = {
  words: (ets) => [
    `bands ${ets.bands}`,
    `strict ${ets.strict}`,
    `quanta ${ets.quanta.join(' ')}`,
    `priomap ${ets.priomap.join(' ')}`,
  ],
  // {"bands":5,"strict":1,"quanta":[6056,4542,3028,1514],"priomap":[2,2,…]}
  read: (json) => ({
    kind: 'ets',
    bands: Number(json['bands']),
    strict: Number(json['strict'] ?? 0),
    quanta: numbersOf(json['quanta']),
    priomap: numbersOf(json['priomap']),
  }),
  same: (a, b) =>
    a.bands === b.bands &&
    a.strict === b.strict &&
    equalLists(a.quanta, b.quanta) &&
    equalLists(a.priomap, b.priomap),
  change: (desired) => desired,
};

export const PRIO: KindSpec<PrioOptions> = {
  words: (prio) => [`bands ${prio.bands}`, `priomap ${prio.priomap.join(' ')}`],
  // {"bands":5,"priomap":[2,2,…],"multiqueue":false}
  read: (json) => ({ kind: 'prio', bands: Number(json['bands']), priomap: numbersOf(json['priomap']) }),
  same: (a, b) => a.bands === b.bands && equalLists(a.priomap, b.priomap),
  change: (desired) => desired,
};
