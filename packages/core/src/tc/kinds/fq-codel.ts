// Owns the row of fq_codel.
import type { FqCodelOptions } from '../options.js';
import { flag, numberOf, pair, sameIfSaid, sameTime, type JsonOptions, type KindSpec } from './spec.js';

/** What the kernel has where nothing is said (net/sched/sch_fq_codel.c). */
const DEFAULTS = {
  limit: 10_240,
  flows: 1024,
  memoryLimit: 32 * 1024 * 1024,
  target: 5_000,
  interval: 100_000,
  ecn: true,
  ceThresholdSelector: { value: 0, mask: 0 },
  dropBatch: 64,
} as const satisfies Omit<FqCodelOptions, 'kind'>;

export const FQ_CODEL: KindSpec<FqCodelOptions> = {
  words,
  read,
  same: (a, b) => {
    const desired = { ...DEFAULTS, ...a };
    const observed = { ...DEFAULTS, ...b };
    return (
      desired.limit === observed.limit &&
      desired.flows === observed.flows &&
      sameIfSaid(desired.quantum, observed.quantum) &&
      desired.memoryLimit === observed.memoryLimit &&
      sameTime(desired.target, observed.target) &&
      sameTime(desired.interval, observed.interval) &&
      desired.ecn === observed.ecn &&
      (desired.ceThreshold === observed.ceThreshold ||
        sameTime(desired.ceThreshold ?? NaN, observed.ceThreshold ?? NaN)) &&
      desired.ceThresholdSelector.value === observed.ceThresholdSelector.value &&
      desired.ceThresholdSelector.mask === observed.ceThresholdSelector.mask &&
      desired.dropBatch === observed.dropBatch
    );
  },
  change: (desired, observed) => {
    // The kernel takes the number of flows at creation only and refuses to hear it again; no word says "no threshold".
    const { flows: wanted, ...others } = { ...DEFAULTS, ...desired };
    const unset = desired.ceThreshold === undefined && observed.ceThreshold !== undefined;
    return wanted !== (observed.flows ?? DEFAULTS.flows) || unset ? undefined : others;
  },
};

function words(fq: FqCodelOptions): string[] {
  const { ceThresholdSelector: selector } = fq;
  return [
    ...pair('limit', fq.limit),
    ...pair('flows', fq.flows),
    ...pair('quantum', fq.quantum),
    ...pair('memory_limit', fq.memoryLimit),
    ...pair('target', fq.target, 'us'),
    ...pair('interval', fq.interval, 'us'),
    ...flag(fq.ecn, 'ecn', 'noecn'),
    ...pair('ce_threshold', fq.ceThreshold, 'us'),
    ...(selector === undefined
      ? []
      : [`ce_threshold_selector 0x${selector.value.toString(16)}/0x${selector.mask.toString(16)}`]),
    ...pair('drop_batch', fq.dropBatch),
  ];
}

// {"limit":10240,"flows":128,"quantum":1514,"target":4999,"ce_threshold":999,"ce_threshold_selector":1,
//  "ce_threshold_mask":3,"interval":99999,"memory_limit":1048576,"ecn":true,"drop_batch":64}; what is not set is absent.
function read(json: JsonOptions): FqCodelOptions {
  const quantum = numberOf(json['quantum']);
  const ceThreshold = numberOf(json['ce_threshold']);
  return {
    kind: 'fq_codel',
    limit: Number(json['limit']),
    flows: Number(json['flows']),
    ...(quantum === undefined ? {} : { quantum }),
    memoryLimit: Number(json['memory_limit']),
    target: Number(json['target']),
    interval: Number(json['interval']),
    ecn: json['ecn'] === true,
    ...(ceThreshold === undefined ? {} : { ceThreshold }),
    ceThresholdSelector: {
      value: Number(json['ce_threshold_selector'] ?? 0),
      mask: Number(json['ce_threshold_mask'] ?? 0),
    },
    dropBatch: Number(json['drop_batch']),
  };
}
