// Option sets of every kind of leaf and root: together they use every option that the model has. Golden scripts, the
// differ's tests and the lab's round trip run through all of them.
import type { HtbClass, QdiscOptions, Stab, Tree } from '@qubes-qos/core/tc/model';

/** `plain` is the kind without any option, so that a walk from any other set to it unsets everything. */
export const LEAVES: Readonly<Record<string, Readonly<Record<string, QdiscOptions>>>> = {
  cake: {
    plain: { kind: 'cake' },
    shaped: {
      ...{ kind: 'cake', bandwidth: 9_500_004, rtt: 30_000, diffserv: 'diffserv8', flowmode: 'dual-srchost' },
      ...{ nat: true, wash: true, splitGso: false, ackFilter: 'on', memlimit: 2_000_000, fwmark: 0xff00 },
      ...{ overhead: 38, mpu: 84, cells: 'noatm', ingress: false },
    },
    dsl: {
      ...{ kind: 'cake', bandwidth: 1_000_000, rtt: 300_000, diffserv: 'precedence', flowmode: 'flows' },
      ...{ ackFilter: 'aggressive', overhead: -4, cells: 'atm', ingress: true },
    },
    vdsl: { kind: 'cake', diffserv: 'diffserv4', flowmode: 'dual-dsthost', overhead: 30, cells: 'ptm' },
    'raw-cells': { kind: 'cake', flowmode: 'hosts', cells: 'atm', mpu: 96 },
    autorate: { kind: 'cake', bandwidth: 50_000_000, autorateIngress: true, ingress: true },
    blind: { kind: 'cake', diffserv: 'besteffort', flowmode: 'flowblind' },
    'by-source': { kind: 'cake', diffserv: 'diffserv3', flowmode: 'srchost' },
    'by-destination': { kind: 'cake', flowmode: 'dsthost', rtt: 100 },
  },
  fq_codel: {
    plain: { kind: 'fq_codel' },
    everything: {
      ...{ kind: 'fq_codel', limit: 500, flows: 64, quantum: 300, memoryLimit: 1_000_000, target: 18_168 },
      ...{ interval: 113_168, ecn: false, ceThreshold: 1_000, dropBatch: 32 },
      ceThresholdSelector: { value: 1, mask: 3 },
    },
    threshold: { kind: 'fq_codel', ecn: true, ceThreshold: 2_500 },
    'one-flow': { kind: 'fq_codel', flows: 1, target: 1_000, interval: 20_000 },
  },
  pfifo: { plain: { kind: 'pfifo' }, short: { kind: 'pfifo', limit: 10 } },
  bfifo: { plain: { kind: 'bfifo' }, short: { kind: 'bfifo', limit: 30_280 } },
  sfq: {
    plain: { kind: 'sfq' },
    article: { kind: 'sfq', perturb: 10 },
    everything: {
      ...{ kind: 'sfq', limit: 1000, perturb: 11, quantum: 1514, divisor: 512, flows: 200, depth: 100 },
      headdrop: true,
      red: {
        ...{ limit: 100_000, min: 8_000, max: 24_000, avpkt: 1_000, burst: 20, probability: 0.05 },
        ...{ ecn: true, harddrop: true },
      },
    },
    red: { kind: 'sfq', red: { limit: 60_000 } },
    'few-flows': { kind: 'sfq', flows: 4, depth: 8, limit: 5_000 },
  },
};

const CLASS: HtbClass = {
  ...{ classid: '51:1', parent: '51:', rate: 9_500_000, ceil: 9_500_000, burst: 1600, cburst: 1600 },
  ...{ quantum: 1514, prio: 0 },
};

/** One HTB class with this leaf. */
export function treeOfLeaf(leaf: QdiscOptions): Tree {
  return {
    qdiscs: [
      { handle: '51:', parent: 'root', options: { kind: 'htb', default: 1 } },
      { handle: '510:', parent: '51:1', options: leaf },
    ],
    classes: [CLASS],
    filters: [],
    prefixes: [],
  };
}

const htbRoot = (
  root: { readonly stab?: Stab; readonly r2q?: number; readonly directQlen?: number },
  htbClass: Partial<HtbClass>,
): Tree => {
  const { stab, ...options } = root;
  return {
    qdiscs: [
      {
        ...{ handle: '51:', parent: 'root', options: { kind: 'htb', default: 1, ...options } },
        ...(stab === undefined ? {} : { stab }),
      },
    ],
    classes: [{ ...CLASS, ...htbClass }],
    filters: [],
    prefixes: [],
  };
};

const cakeRoot = (stab?: Stab): Tree => ({
  qdiscs: [
    {
      ...{ handle: '51:', parent: 'root', options: { kind: 'cake', bandwidth: 9_500_000 } },
      ...(stab === undefined ? {} : { stab }),
    },
  ],
  classes: [],
  filters: [],
  prefixes: [],
});

/** What stands at a root: size tables, r2q, and what HTB adds to each packet of a class. */
export const ROOTS: Readonly<Record<string, Tree>> = {
  htb: htbRoot({}, {}),
  'htb-r2q': htbRoot({ r2q: 100, directQlen: 10 }, { rate: 1_600_000, quantum: undefined }),
  'htb-odd-rate': htbRoot({}, { rate: 9_500_007, ceil: 9_500_013 }),
  'htb-above-4gbyte': htbRoot(
    {},
    { rate: 40_000_000_000, ceil: 40_000_000_000, burst: 1_250_000, cburst: 1_250_000 },
  ),
  'htb-stab': htbRoot({ stab: { linklayer: 'ethernet', overhead: 78 } }, {}),
  'htb-stab-atm': htbRoot({ stab: { linklayer: 'atm', overhead: -4, mpu: 96, mtu: 4000, tsize: 128 } }, {}),
  'htb-overhead': htbRoot({}, { overhead: { linklayer: 'ethernet', bytes: 38, mpu: 84 } }),
  'htb-overhead-atm': htbRoot({}, { overhead: { linklayer: 'atm', bytes: 40 } }),
  cake: cakeRoot(),
  'cake-stab': cakeRoot({ linklayer: 'ethernet', overhead: 18, mpu: 64 }),
};

/** Every set by one name. */
export const OPTION_TREES: Readonly<Record<string, Tree>> = {
  ...Object.fromEntries(
    Object.entries(LEAVES).flatMap(([kind, sets]) =>
      Object.entries(sets).map(([name, options]) => [`${kind}: ${name}`, treeOfLeaf(options)]),
    ),
  ),
  ...Object.fromEntries(Object.entries(ROOTS).map(([name, tree]) => [`root: ${name}`, tree])),
};
