// Owns the leaf qdiscs of a tree's settings: every option of tc by the name that tc gives it.
import * as z from 'zod/mini';
import { parsed } from '../as-issue.js';
import { QosError } from '../errors.js';
import { describeIssues } from '../issues.js';
import { presetOf, PRESET_NAMES } from '../overhead.js';
import { quote } from '../quote.js';
import { parseRate } from '../rate.js';
import { completeRed, ewmaLog } from '../tc/kinds/sfq.js';
import {
  CAKE_ACK_FILTERS,
  CAKE_CELLS,
  CAKE_DIFFSERV,
  CAKE_FLOWMODES,
  type CakeOptions,
  type FqCodelOptions,
  type QdiscOptions,
  type SfqOptions,
} from '../tc/options.js';
import { parseSize, parseTime } from './quantities.js';

/** A leaf as it is resolved; `fair` stands for fq_codel with parameters by the rate of its class. */
export type LeafConfig = QdiscOptions | { readonly kind: 'fair' | 'none' };

/** Round-trip times by the names of tc-cake(8), microseconds. */
const RTT_NAMES: Readonly<Record<string, number>> = {
  datacentre: 100,
  lan: 1_000,
  metro: 10_000,
  regional: 30_000,
  internet: 100_000,
  oceanic: 300_000,
  satellite: 1_000_000,
  interplanetary: 1_000_000_000,
};

const whole = (min: number, max: number): z.ZodMiniType<number> =>
  z.number().check(z.int(), z.gte(min), z.lte(max));
const COUNT = whole(1, 0xffff_ffff);
const SIZE = parsed(z.union([z.string(), z.number()]), parseSize);
const TIME = parsed(z.string(), parseTime);
const RTT = parsed(z.string(), (text) => RTT_NAMES[text] ?? parseTime(text));
const RATE = parsed(z.string(), parseRate);
const OVERHEAD = parsed(z.union([z.string(), z.number()]), overheadOf);

const SCHEMAS = {
  cake: z.strictObject({
    kind: z.literal('cake'),
    bandwidth: z.exactOptional(RATE),
    'autorate-ingress': z.exactOptional(z.boolean()),
    rtt: z.exactOptional(RTT),
    diffserv: z.exactOptional(z.enum(CAKE_DIFFSERV)),
    flowmode: z.exactOptional(z.enum(CAKE_FLOWMODES)),
    nat: z.exactOptional(z.boolean()),
    wash: z.exactOptional(z.boolean()),
    'split-gso': z.exactOptional(z.boolean()),
    'ack-filter': z.exactOptional(z.enum(CAKE_ACK_FILTERS)),
    memlimit: z.exactOptional(SIZE),
    fwmark: z.exactOptional(COUNT),
    overhead: z.exactOptional(OVERHEAD),
    mpu: z.exactOptional(whole(1, 256)),
    cells: z.exactOptional(z.enum(CAKE_CELLS)),
    ingress: z.exactOptional(z.boolean()),
  }),
  fq_codel: z.strictObject({
    kind: z.literal('fq_codel'),
    limit: z.exactOptional(COUNT),
    flows: z.exactOptional(whole(1, 65_536)),
    quantum: z.exactOptional(whole(1, 1 << 20)),
    memory_limit: z.exactOptional(SIZE),
    target: z.exactOptional(TIME),
    interval: z.exactOptional(TIME),
    ecn: z.exactOptional(z.boolean()),
    ce_threshold: z.exactOptional(TIME),
    ce_threshold_selector: z.exactOptional(parsed(z.string(), selectorOf)),
    drop_batch: z.exactOptional(COUNT),
  }),
  pfifo: z.strictObject({ kind: z.literal('pfifo'), limit: z.exactOptional(COUNT) }),
  bfifo: z.strictObject({ kind: z.literal('bfifo'), limit: z.exactOptional(SIZE) }),
  sfq: z.strictObject({
    kind: z.literal('sfq'),
    limit: z.exactOptional(whole(2, 65_535)),
    perturb: z.exactOptional(COUNT),
    quantum: z.exactOptional(whole(1, 1 << 20)),
    divisor: z.exactOptional(
      whole(1, 65_536).check(
        z.refine((value) => Number.isInteger(Math.log2(value)), 'expected a power of two'),
      ),
    ),
    flows: z.exactOptional(whole(1, 65_408)),
    depth: z.exactOptional(whole(1, 127)),
    headdrop: z.exactOptional(z.boolean()),
    redflowlimit: z.exactOptional(SIZE),
    min: z.exactOptional(SIZE),
    max: z.exactOptional(SIZE),
    avpkt: z.exactOptional(SIZE),
    burst: z.exactOptional(COUNT),
    probability: z.exactOptional(z.number().check(z.gt(0), z.lte(1))),
    ecn: z.exactOptional(z.boolean()),
    harddrop: z.exactOptional(z.boolean()),
  }),
} as const;

type LeafName = keyof typeof SCHEMAS;

/** Every key of every leaf. */
export const LEAF_KEY_NAMES: readonly string[] = Object.values(SCHEMAS).flatMap(({ shape }) =>
  Object.keys(shape),
);

const NAMES = Object.keys(SCHEMAS) as LeafName[];

/**
 * Reads `"cake"` or `{ kind = "cake", rtt = "30ms" }`.
 * @throws QosError('config') that names the option, what was found and what is expected.
 */
export function parseLeaf(value: unknown): LeafConfig {
  const table = typeof value === 'string' ? { kind: value } : value;
  const kind: unknown = typeof table === 'object' && table !== null ? Reflect.get(table, 'kind') : undefined;
  if (kind === 'none') return { kind };
  const name = NAMES.find((one) => one === kind);
  if (name === undefined) {
    const found = typeof kind === 'string' ? quote(kind) : 'nothing';
    throw new QosError('config', `kind: found ${found}, expected ${NAMES.join(', ')} or none`);
  }
  const result = z.safeParse(SCHEMAS[name], table);
  if (!result.success) throw new QosError('config', describeIssues(result.error.issues, table));
  return toOptions(result.data);
}

function toOptions(leaf: z.infer<(typeof SCHEMAS)[LeafName]>): QdiscOptions {
  switch (leaf.kind) {
    case 'cake':
      return cakeOptions(leaf);
    case 'fq_codel':
      return fqCodelOptions(leaf);
    case 'sfq':
      return sfqOptions(leaf);
    default:
      return leaf;
  }
}

function cakeOptions(leaf: z.infer<typeof SCHEMAS.cake>): CakeOptions {
  const {
    'autorate-ingress': autorateIngress,
    'split-gso': splitGso,
    'ack-filter': ackFilter,
    overhead,
    ...same
  } = leaf;
  return {
    ...overhead,
    ...same,
    ...(autorateIngress === undefined ? {} : { autorateIngress }),
    ...(splitGso === undefined ? {} : { splitGso }),
    ...(ackFilter === undefined ? {} : { ackFilter }),
  };
}

function fqCodelOptions(leaf: z.infer<typeof SCHEMAS.fq_codel>): FqCodelOptions {
  const {
    memory_limit: memoryLimit,
    ce_threshold: ceThreshold,
    ce_threshold_selector: ceThresholdSelector,
    drop_batch: dropBatch,
    ...same
  } = leaf;
  return {
    ...same,
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
    ...(ceThreshold === undefined ? {} : { ceThreshold }),
    ...(ceThresholdSelector === undefined ? {} : { ceThresholdSelector }),
    ...(dropBatch === undefined ? {} : { dropBatch }),
  };
}

function sfqOptions(leaf: z.infer<typeof SCHEMAS.sfq>): SfqOptions {
  const { redflowlimit: limit, min, max, avpkt, burst, probability, ecn, harddrop, ...same } = leaf;
  const options = { min, max, avpkt, burst, probability, ecn, harddrop };
  const said = Object.entries(options).filter(([, value]) => value !== undefined);
  if (limit === undefined) {
    const [first] = said;
    if (first) throw new QosError('config', `${first[0]} needs redflowlimit, the limit of a flow in bytes`);
    return same;
  }
  const red = { limit, ...Object.fromEntries(said) };
  checkRed(completeRed(red));
  return { ...same, red };
}

/** What tc refuses, or computes wrongly without a word. */
function checkRed({ limit, min, max, avpkt, burst }: ReturnType<typeof completeRed>): void {
  if (max > limit) throw new QosError('config', `max of ${max}: expected at most redflowlimit, ${limit}`);
  if (min >= max) throw new QosError('config', `min of ${min}: expected less than max, ${max}`);
  if (ewmaLog(min, burst, avpkt) === undefined) {
    throw new QosError(
      'config',
      `burst of ${burst} packets: expected at least ${1 + Math.floor(min / avpkt)} with min ${min} and avpkt ${avpkt}`,
    );
  }
}

/** `0x1/0x3`: a value and a mask of the TOS byte. */
function selectorOf(text: string): { value: number; mask: number } {
  const [, value, mask] = /^(0x[0-9a-f]{1,2}|\d{1,3})\/(0x[0-9a-f]{1,2}|\d{1,3})$/i.exec(text) ?? [];
  const selector = { value: Number(value), mask: Number(mask) };
  if (!(selector.value <= 0xff && selector.mask <= 0xff)) {
    throw new QosError('config', `selector ${quote(text)}: expected value/mask of one byte, as in 0x1/0x3`);
  }
  return selector;
}

/** A preset by name, or bytes beyond the network layer. */
function overheadOf(value: string | number): Pick<CakeOptions, 'overhead' | 'mpu' | 'cells'> {
  const preset = typeof value === 'string' ? presetOf(value) : undefined;
  if (preset !== undefined) {
    const { bytes, mpu, cells } = preset;
    return { overhead: bytes, cells, ...(mpu === undefined ? {} : { mpu }) };
  }
  if (typeof value === 'number' && Number.isInteger(value) && value >= -64 && value <= 256)
    return { overhead: value };
  throw new QosError(
    'config',
    `found ${typeof value === 'string' ? quote(value) : value}, expected -64 to 256 bytes, or ${PRESET_NAMES.join(', ')}`,
  );
}
