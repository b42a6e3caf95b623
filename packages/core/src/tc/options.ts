// Owns the options of each kind of qdisc that we build, as tc(8) of iproute2 6.15 has them. A part that is absent is the
// kernel's default, which the row of the kind in kinds.ts knows.

/** Hierarchy token bucket. */
export interface HtbOptions {
  readonly kind: 'htb';
  /** Minor of the default class, as a number (tc takes and prints it in hexadecimal). */
  readonly default: number;
  /** Divides a class's rate into its quantum where the class has none of its own; 10. */
  readonly r2q?: number;
  /** Most packets that wait unshaped because no class is theirs; the interface's txqueuelen. */
  readonly directQlen?: number;
}

/** Enhanced transmission selection: bands in strict order, then bands that share by quantum. */
export interface EtsOptions {
  readonly kind: 'ets';
  readonly bands: number;
  readonly strict: number;
  /** Bytes a turn of each band after the strict ones. */
  readonly quanta: readonly number[];
  /** Band for each of the 16 packet priorities, for packets that no filter matches. */
  readonly priomap: readonly number[];
}

/** Strict bands. */
export interface PrioOptions {
  readonly kind: 'prio';
  readonly bands: number;
  readonly priomap: readonly number[];
}

export const CAKE_DIFFSERV = ['besteffort', 'precedence', 'diffserv3', 'diffserv4', 'diffserv8'] as const;
export type CakeDiffserv = (typeof CAKE_DIFFSERV)[number];

export const CAKE_FLOWMODES = [
  'flowblind',
  'srchost',
  'dsthost',
  'hosts',
  'flows',
  'dual-srchost',
  'dual-dsthost',
  'triple-isolate',
] as const;
export type CakeFlowmode = (typeof CAKE_FLOWMODES)[number];

export const CAKE_ACK_FILTERS = ['off', 'on', 'aggressive'] as const;
export type CakeAckFilter = (typeof CAKE_ACK_FILTERS)[number];

export const CAKE_CELLS = ['noatm', 'atm', 'ptm'] as const;
export type CakeCells = (typeof CAKE_CELLS)[number];

/** Common applications kept enhanced, tc-cake(8): shaper, flow isolation, classes, splitting of GSO packets. */
export interface CakeOptions {
  readonly kind: 'cake';
  /** Bits per second; not shaped when absent. */
  readonly bandwidth?: number;
  /** True: the kernel follows what arrives; `bandwidth` is then only where it begins. */
  readonly autorateIngress?: boolean;
  /** Microseconds; 100 000. The CoDel target is a twentieth of it. */
  readonly rtt?: number;
  /** `diffserv3`. */
  readonly diffserv?: CakeDiffserv;
  /** `triple-isolate`. */
  readonly flowmode?: CakeFlowmode;
  readonly nat?: boolean;
  readonly wash?: boolean;
  /** True. */
  readonly splitGso?: boolean;
  readonly ackFilter?: CakeAckFilter;
  /** Most memory that the queue may hold, bytes; by the bandwidth when absent. */
  readonly memlimit?: number;
  /** Part of the packet mark that chooses the tin; none when absent. */
  readonly fwmark?: number;
  /** Bytes of each packet on the line beyond its network layer, -64 to 256; `raw` (what the kernel counts) when absent. */
  readonly overhead?: number;
  /** Smallest packet of the line, bytes, 1 to 256. */
  readonly mpu?: number;
  /** `noatm`. */
  readonly cells?: CakeCells;
  /** True: counts dropped packets too, for what was already sent over the line. */
  readonly ingress?: boolean;
}

/** Fair queueing with CoDel, tc-fq_codel(8). */
export interface FqCodelOptions {
  readonly kind: 'fq_codel';
  /** Packets; 10 240. */
  readonly limit?: number;
  /** 1024; fixed at creation. */
  readonly flows?: number;
  /** Bytes a turn of each flow; a frame of the interface. */
  readonly quantum?: number;
  /** Most memory that the queue may hold, bytes; 32 MiB. */
  readonly memoryLimit?: number;
  /** Microseconds; 5000. */
  readonly target?: number;
  /** Microseconds; 100 000. */
  readonly interval?: number;
  /** True. */
  readonly ecn?: boolean;
  /** Packets that waited longer are marked CE, microseconds; never when absent. */
  readonly ceThreshold?: number;
  /** Only packets whose TOS byte is `value` under `mask` are marked by `ceThreshold`. */
  readonly ceThresholdSelector?: { readonly value: number; readonly mask: number };
  /** Most packets dropped at once; 64. */
  readonly dropBatch?: number;
}

/** First in, first out, tc-pfifo(8), tc-bfifo(8). */
export interface FifoOptions<K extends 'pfifo' | 'bfifo'> {
  readonly kind: K;
  /** Packets (pfifo) or bytes (bfifo); as many as the interface's txqueuelen when absent. */
  readonly limit?: number;
}

/** Random early detection inside each flow of sfq. */
export interface SfqRed {
  /** Hard limit of a flow, bytes. The kernel does not show it. */
  readonly limit: number;
  /** Bytes; a third of `max`. */
  readonly min?: number;
  /** Bytes; a quarter of `limit`. */
  readonly max?: number;
  /** Bytes; 1000. */
  readonly avpkt?: number;
  /** Packets; (2 min + max) / 3 avpkt. */
  readonly burst?: number;
  /** 0.02. */
  readonly probability?: number;
  readonly ecn?: boolean;
  /** True: above `max` dropped even where ECN could mark. */
  readonly harddrop?: boolean;
}

/** Stochastic fairness queueing, tc-sfq(8). */
export interface SfqOptions {
  readonly kind: 'sfq';
  /** Packets; 127. */
  readonly limit?: number;
  /** Seconds between changes of the hash; never when absent. */
  readonly perturb?: number;
  /** Bytes a turn of each flow; a frame of the interface. */
  readonly quantum?: number;
  /** Size of the hash table, a power of two up to 65 536; 1024. */
  readonly divisor?: number;
  /** 127. */
  readonly flows?: number;
  /** Packets of one flow, up to 127; 127. */
  readonly depth?: number;
  /** True: drops at the head of the flow. */
  readonly headdrop?: boolean;
  readonly red?: SfqRed;
}

export type QdiscOptions =
  | HtbOptions
  | EtsOptions
  | PrioOptions
  | CakeOptions
  | FqCodelOptions
  | FifoOptions<'pfifo'>
  | FifoOptions<'bfifo'>
  | SfqOptions;

/** The kinds of qdisc that we build. */
export type QdiscKind = QdiscOptions['kind'];

export const LINK_LAYERS = ['ethernet', 'atm'] as const;
export type LinkLayer = (typeof LINK_LAYERS)[number];

/** Size table of a root qdisc, tc-stab(8): how long a packet is on the line. */
export interface Stab {
  readonly linklayer: LinkLayer;
  /** Bytes; may be negative. */
  readonly overhead: number;
  /** Smallest packet of the line, bytes. */
  readonly mpu?: number;
  /** Largest packet that the table knows, bytes; 2047. */
  readonly mtu?: number;
  /** Slots; 512. */
  readonly tsize?: number;
}

/** What HTB adds to each packet of a class when it counts; unlike a size table it also counts what a leaf has split. */
export interface ClassOverhead {
  readonly linklayer: LinkLayer;
  /** Bytes, 0 to 65 535. */
  readonly bytes: number;
  /** Smallest packet of the line, bytes. */
  readonly mpu?: number;
}
