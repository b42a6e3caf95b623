// Owns the row of sfq, and the arithmetic by which tc and the kernel turn what is asked into what they show.
import type { SfqOptions, SfqRed } from '../options.js';
import { numberOf, pair, sameIfSaid, type JsonOptions, type KindSpec } from './spec.js';

/** Packets of one flow, and what the limit is where nothing is said (net/sched/sch_sfq.c). */
const MAX_DEPTH = 127;
const DEFAULT_FLOWS = 128;
const MAX_FLOWS = 0x10000 - MAX_DEPTH - 1;
const DEFAULT_DIVISOR = 1024;

/** How the kernel shows the weight of the moving average; it is asked for as a burst and an average packet. */
interface ObservedRed extends SfqRed {
  readonly ewma?: number;
}

interface ObservedSfq extends SfqOptions {
  readonly red?: ObservedRed;
}

export const SFQ: KindSpec<SfqOptions> = {
  words,
  read,
  same: (desired, observed: ObservedSfq) => {
    const expected = asKept(desired);
    const kept = asKept(observed);
    return (
      expected.limit === kept.limit &&
      expected.flows === kept.flows &&
      expected.depth === kept.depth &&
      expected.divisor === kept.divisor &&
      (desired.perturb ?? 0) === (observed.perturb ?? 0) &&
      sameIfSaid(desired.quantum, observed.quantum) &&
      (desired.headdrop ?? false) === (observed.headdrop ?? false) &&
      sameRed(desired.red, observed.red)
    );
  },
  // sfq has no change operation.
  change: () => undefined,
};

/** The weight that tc finds for the moving average, tc-red(8): the smallest that lets `burst` packets pass; undefined when none does. */
export function ewmaLog(min: number, burst: number, avpkt: number): number | undefined {
  const packets = burst + 1 - min / avpkt;
  if (packets < 1) return undefined;
  for (let log = 1; log < 32; log += 1) {
    const weight = 2 ** -log;
    if (packets <= (1 - (1 - weight) ** burst) / weight) return log;
  }
  return undefined;
}

/** `red` with what tc computes where nothing is said; whole numbers as in tc. */
export function completeRed(red: SfqRed): Required<SfqRed> {
  const max = red.max ?? Math.floor(red.limit / 4);
  const min = red.min ?? Math.floor(max / 3);
  const avpkt = red.avpkt ?? 1000;
  return {
    limit: red.limit,
    min,
    max,
    avpkt,
    burst: red.burst ?? Math.floor((2 * min + max) / (3 * avpkt)),
    probability: red.probability ?? 0.02,
    ecn: red.ecn ?? false,
    harddrop: red.harddrop ?? false,
  };
}

function asKept(sfq: SfqOptions): { limit: number; flows: number; depth: number; divisor: number } {
  const divisor = sfq.divisor ?? DEFAULT_DIVISOR;
  const depth = Math.min(sfq.depth ?? MAX_DEPTH, MAX_DEPTH);
  const flows = Math.min(sfq.flows ?? DEFAULT_FLOWS, MAX_FLOWS, divisor);
  const limit = Math.min(sfq.limit ?? MAX_DEPTH, depth * flows);
  return { limit, depth, divisor, flows: Math.min(flows, limit) };
}

function sameRed(desired: SfqRed | undefined, observed: ObservedRed | undefined): boolean {
  if (desired === undefined || observed === undefined) return desired === observed;
  const wanted = completeRed(desired);
  const found = completeRed(observed);
  return (
    wanted.min === found.min &&
    wanted.max === found.max &&
    Math.abs(wanted.probability - found.probability) < 1e-5 &&
    ewmaOf(wanted) === (observed.ewma ?? ewmaOf(found)) &&
    wanted.ecn === found.ecn &&
    wanted.harddrop === found.harddrop
  );
}

function ewmaOf({ min, burst, avpkt }: Required<SfqRed>): number | undefined {
  return ewmaLog(min, burst, avpkt);
}

function words(sfq: SfqOptions): string[] {
  return [
    ...pair('limit', sfq.limit),
    ...pair('perturb', sfq.perturb),
    ...pair('quantum', sfq.quantum),
    ...pair('divisor', sfq.divisor),
    ...pair('flows', sfq.flows),
    ...pair('depth', sfq.depth),
    ...(sfq.headdrop === true ? ['headdrop'] : []),
    ...(sfq.red === undefined ? [] : redWords(sfq.red)),
  ];
}

function redWords(red: SfqRed): string[] {
  return [
    `redflowlimit ${red.limit}`,
    ...pair('min', red.min),
    ...pair('max', red.max),
    ...pair('avpkt', red.avpkt),
    ...pair('burst', red.burst),
    ...pair('probability', red.probability),
    ...(red.ecn === true ? ['ecn'] : []),
    ...(red.harddrop === true ? ['harddrop'] : []),
  ];
}

// {"limit":127,"quantum":1514,"depth":127,"headdrop":true,"flows":128,"divisor":1024,"perturb":10,"ewma":3,"min":8000,
//  "max":24000,"probability":0.02,"ecn":true,"harddrop":false}; "flows" only with -d, from "ewma" on only with RED.
function read(json: JsonOptions): SfqOptions {
  const perturb = numberOf(json['perturb']);
  const red = readRed(json);
  return {
    kind: 'sfq',
    limit: Number(json['limit']),
    quantum: Number(json['quantum']),
    depth: Number(json['depth']),
    flows: Number(json['flows']),
    divisor: Number(json['divisor']),
    headdrop: json['headdrop'] === true,
    ...(perturb === undefined ? {} : { perturb }),
    ...(red === undefined ? {} : { red }),
  };
}

function readRed(json: JsonOptions): ObservedRed | undefined {
  if (json['min'] === undefined) return undefined;
  return {
    // Not shown; what is compared does not look at it.
    limit: Number(json['max']) * 4,
    min: Number(json['min']),
    max: Number(json['max']),
    probability: Number(json['probability']),
    ewma: Number(json['ewma']),
    ecn: json['ecn'] === true,
    harddrop: json['harddrop'] === true,
  };
}
