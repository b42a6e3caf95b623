// Owns the row of cake.
import {
  CAKE_CELLS,
  CAKE_DIFFSERV,
  CAKE_FLOWMODES,
  type CakeAckFilter,
  type CakeOptions,
} from '../options.js';
import { flag, numberOf, pair, type JsonOptions, type KindSpec } from './spec.js';

/** What the kernel has where nothing is said; what is absent here has no word that sets it back. */
const DEFAULTS = {
  autorateIngress: false,
  rtt: 100_000,
  diffserv: 'diffserv3',
  flowmode: 'triple-isolate',
  nat: false,
  wash: false,
  splitGso: true,
  ackFilter: 'off',
  cells: 'noatm',
  ingress: false,
} as const satisfies Omit<CakeOptions, 'kind'>;

const COMPARED = [
  'autorateIngress',
  'rtt',
  'diffserv',
  'flowmode',
  'nat',
  'wash',
  'splitGso',
  'ackFilter',
  'memlimit',
  'fwmark',
  'overhead',
  'mpu',
  'cells',
  'ingress',
] as const satisfies readonly (keyof CakeOptions)[];

const ACK_FILTER_WORDS: Readonly<Record<CakeAckFilter, string>> = {
  off: 'no-ack-filter',
  on: 'ack-filter',
  aggressive: 'ack-filter-aggressive',
};

/** As the JSON has them. */
const ACK_FILTER_NAMES: Readonly<Record<CakeAckFilter, string>> = {
  off: 'disabled',
  on: 'enabled',
  aggressive: 'aggressive',
};

export const CAKE: KindSpec<CakeOptions> = {
  words,
  read,
  same: (a, b) => {
    const desired: CakeOptions = { ...DEFAULTS, ...a };
    const observed: CakeOptions = { ...DEFAULTS, ...b };
    return sameBandwidth(desired, observed) && COMPARED.every((name) => desired[name] === observed[name]);
  },
  change: (desired, observed) => {
    // tc does not pass a zero on to the kernel for these, so what was once set cannot be unset.
    const cannot = (['memlimit', 'fwmark', 'mpu'] as const).some(
      (name) => desired[name] === undefined && observed[name] !== undefined,
    );
    return cannot ? undefined : { ...DEFAULTS, ...desired };
  },
};

// What decides how a leaf behaves is always said, the rest where it is not the default.
function words(cake: CakeOptions): string[] {
  return [
    // `bandwidth` and `unlimited` end autorate-ingress, so they stand before it.
    cake.bandwidth === undefined ? 'unlimited' : `bandwidth ${cake.bandwidth}bit`,
    ...(cake.autorateIngress === true ? ['autorate-ingress'] : []),
    cake.diffserv ?? DEFAULTS.diffserv,
    cake.flowmode ?? DEFAULTS.flowmode,
    cake.nat === true ? 'nat' : 'nonat',
    cake.wash === true ? 'wash' : 'nowash',
    (cake.splitGso ?? DEFAULTS.splitGso) ? 'split-gso' : 'no-split-gso',
    ...(cake.ackFilter === undefined ? [] : [ACK_FILTER_WORDS[cake.ackFilter]]),
    ...flag(cake.ingress, 'ingress', 'egress'),
    ...pair('rtt', cake.rtt, 'us'),
    ...framing(cake),
    ...pair('memlimit', cake.memlimit),
    ...(cake.fwmark === undefined ? [] : [`fwmark 0x${cake.fwmark.toString(16)}`]),
  ];
}

// `raw` ends atm and ptm too, so it stands before them.
function framing({ overhead, cells, mpu }: CakeOptions): string[] {
  if (overhead === undefined && cells === undefined && mpu === undefined) return [];
  return [
    overhead === undefined ? 'raw' : `overhead ${overhead}`,
    ...(cells === undefined ? [] : [cells]),
    ...pair('mpu', mpu),
  ];
}

// {"bandwidth":"unlimited","diffserv":"besteffort","flowmode":"triple-isolate","nat":false,"wash":false,
//  "ingress":false,"ack-filter":"disabled","split_gso":true,"rtt":100000,"raw":true,"overhead":0,"memlimit":1048576,…};
// a bandwidth is a number of bytes per second, "autorate", "atm" and "mpu" are there only when they say something.
function read(json: JsonOptions): CakeOptions | undefined {
  const diffserv = CAKE_DIFFSERV.find((name) => name === json['diffserv']);
  const flowmode = CAKE_FLOWMODES.find((name) => name === json['flowmode']);
  const ackFilter = (['off', 'on', 'aggressive'] as const).find(
    (name) => ACK_FILTER_NAMES[name] === json['ack-filter'],
  );
  const cells = CAKE_CELLS.find((name) => name === (json['atm'] ?? 'noatm'));
  if (!diffserv || !flowmode || !ackFilter || !cells) return undefined;
  const fwmark = numberOf(json['fwmark']) ?? 0;
  const memlimit = numberOf(json['memlimit']);
  const mpu = numberOf(json['mpu']);
  return {
    kind: 'cake',
    ...(json['bandwidth'] === 'unlimited' ? {} : { bandwidth: Number(json['bandwidth']) * 8 }),
    autorateIngress: json['autorate'] !== undefined,
    rtt: Number(json['rtt']),
    diffserv,
    flowmode,
    nat: json['nat'] === true,
    wash: json['wash'] === true,
    splitGso: json['split_gso'] === true,
    ackFilter,
    ...(memlimit === undefined ? {} : { memlimit }),
    ...(fwmark === 0 ? {} : { fwmark }),
    ...(json['raw'] === true ? {} : { overhead: Number(json['overhead']) }),
    ...(mpu === undefined ? {} : { mpu }),
    cells,
    ingress: json['ingress'] === true,
  };
}

// The kernel keeps whole bytes per second, and with autorate-ingress a rate of its own.
function sameBandwidth(desired: CakeOptions, observed: CakeOptions): boolean {
  if (desired.autorateIngress === true) return true;
  const bandwidth = desired.bandwidth === undefined ? undefined : Math.floor(desired.bandwidth / 8) * 8;
  return bandwidth === observed.bandwidth;
}
