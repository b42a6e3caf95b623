// Owns what each kind of qdisc looks like to tc: its words, its JSON, and how far the kernel rounds what it is told.
import type {
  CakeOptions,
  EtsOptions,
  FqCodelOptions,
  HtbOptions,
  PrioOptions,
  QdiscKind,
  QdiscOptions,
} from './model.js';

/** Options as `tc -j qdisc show` prints them. */
export type JsonOptions = Readonly<Record<string, unknown>>;

interface KindSpec<O extends QdiscOptions> {
  /** The words after the kind in `tc qdisc replace`. */
  words(options: O): string;
  /** The options that the kernel shows, or undefined when they are nothing that we would have set. */
  read(json: JsonOptions): O | undefined;
  /** True when what the kernel shows is what it makes of what was asked. */
  same(desired: O, observed: O): boolean;
}

type KindTable = { readonly [K in QdiscKind]: KindSpec<Extract<QdiscOptions, { kind: K }>> };

/** A kind added to the model does not compile until it has its row here. */
const KINDS: KindTable = {
  htb: {
    words: (htb: HtbOptions) => `default ${htb.default.toString(16)}`,
    // {"r2q":10,"default":"0x1","direct_packets_stat":0,"direct_qlen":1000}
    read: (json) => ({ kind: 'htb', default: Number.parseInt(text(json['default']), 16) }),
    same: (a, b) => a.default === b.default,
  },
  ets: {
    words: (ets: EtsOptions) =>
      `bands ${ets.bands} strict ${ets.strict} quanta ${ets.quanta.join(' ')} priomap ${ets.priomap.join(' ')}`,
    // {"bands":5,"strict":1,"quanta":[6056,4542,3028,1514],"priomap":[2,2,…]}
    read: (json) => ({
      kind: 'ets',
      bands: Number(json['bands']),
      strict: Number(json['strict'] ?? 0),
      quanta: numbers(json['quanta']),
      priomap: numbers(json['priomap']),
    }),
    same: (a, b) =>
      a.bands === b.bands &&
      a.strict === b.strict &&
      equalLists(a.quanta, b.quanta) &&
      equalLists(a.priomap, b.priomap),
  },
  prio: {
    words: (prio: PrioOptions) => `bands ${prio.bands} priomap ${prio.priomap.join(' ')}`,
    // {"bands":5,"priomap":[2,2,…],"multiqueue":false}
    read: (json) => ({ kind: 'prio', bands: Number(json['bands']), priomap: numbers(json['priomap']) }),
    same: (a, b) => a.bands === b.bands && equalLists(a.priomap, b.priomap),
  },
  cake: {
    words: (cake: CakeOptions) =>
      `unlimited besteffort triple-isolate nonat nowash split-gso memlimit ${cake.memlimit}`,
    // {"bandwidth":"unlimited","diffserv":"besteffort","flowmode":"triple-isolate","nat":false,"wash":false,
    //  "ingress":false,"ack-filter":"disabled","split_gso":true,"rtt":100000,"raw":true,"overhead":0,"memlimit":1048576,…}
    read: (json) => {
      const asBuilt =
        json['bandwidth'] === 'unlimited' &&
        json['diffserv'] === 'besteffort' &&
        json['flowmode'] === 'triple-isolate' &&
        json['nat'] === false &&
        json['wash'] === false &&
        json['split_gso'] === true;
      return asBuilt ? { kind: 'cake', memlimit: Number(json['memlimit']) } : undefined;
    },
    same: (a, b) => a.memlimit === b.memlimit,
  },
  fq_codel: {
    words: (fq: FqCodelOptions) =>
      `flows ${fq.flows} memory_limit ${fq.memoryLimit} target ${fq.target}us interval ${fq.interval}us`,
    // {"limit":10240,"flows":128,"quantum":1514,"target":4999,"interval":99999,"memory_limit":1048576,"ecn":true,…}
    read: (json) => ({
      kind: 'fq_codel',
      flows: Number(json['flows']),
      memoryLimit: Number(json['memory_limit']),
      target: Number(json['target']),
      interval: Number(json['interval']),
    }),
    // The kernel keeps CoDel times in units of 1024 ns: 5000 µs comes back as 4999.
    same: (a, b) =>
      a.flows === b.flows &&
      a.memoryLimit === b.memoryLimit &&
      Math.abs(a.target - b.target) <= 2 &&
      Math.abs(a.interval - b.interval) <= 2,
  },
};

/** True for a kind that we build. */
export function isQdiscKind(kind: string): kind is QdiscKind {
  return Object.hasOwn(KINDS, kind);
}

/** `KIND WORDS` for `tc qdisc replace`. */
export function kindWords(options: QdiscOptions): string {
  return `${options.kind} ${specOf(options.kind).words(options)}`;
}

/** The options of a qdisc of ours from JSON, or undefined when they are none that we would have set. */
export function readOptions(kind: QdiscKind, json: JsonOptions): QdiscOptions | undefined {
  return specOf(kind).read(json);
}

/** True when the observed options are what the kernel makes of the desired ones. */
export function sameOptions(desired: QdiscOptions, observed: QdiscOptions): boolean {
  return desired.kind === observed.kind && specOf(desired.kind).same(desired, observed);
}

// TypeScript cannot see that the row of a kind is called with options of that kind only.
function specOf(kind: QdiscKind): KindSpec<QdiscOptions> {
  return KINDS[kind];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numbers(value: unknown): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

function equalLists(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
