// Owns the reading of `tc -j`: JSON of one device -> observed. Knows nothing of what is wanted.
import * as z from 'zod/mini';
import { offSide, sideOfRoot } from './handles.js';
import { dscpOf } from './dscp-match.js';
import { isQdiscKind, readOptions } from './kinds.js';
import type {
  AnyFilter,
  ClassOverhead,
  DscpFilter,
  Filter,
  HtbClass,
  IpFamily,
  MarkFilter,
  Observed,
  PrefixFilter,
  Qdisc,
  Side,
} from './model.js';
import { networkOfMatches } from './prefixes.js';
import { FILTER_FAMILY } from './render.js';
import { readSorter, type Sorter } from './sorters.js';
import { readStab } from './stab.js';

// {"kind":"ets","handle":"52:","dev":"ens6","parent":"51:1","options":{…}}; a root has "root":true and no parent.
const qdiscJson = z.looseObject({
  kind: z.string(),
  handle: z.string(),
  dev: z.optional(z.string()),
  parent: z.optional(z.string()),
  root: z.optional(z.boolean()),
  options: z.optional(z.record(z.string(), z.unknown())),
  stab: z.optional(z.unknown()),
});

// {"class":"htb","handle":"51:1","root":true,"leaf":"0x52","prio":0,"rate":1187500,"ceil":1187500,"burst":1600,"cburst":1600};
// -d adds "linklayer", "mpu_rate" and more, "overhead" is there only when it says something.
const classJson = z.looseObject({
  class: z.string(),
  handle: z.string(),
  parent: z.optional(z.string()),
  prio: z.optional(z.number()),
  quantum: z.optional(z.number()),
  rate: z.optional(z.number()),
  ceil: z.optional(z.number()),
  burst: z.optional(z.number()),
  cburst: z.optional(z.number()),
  overhead: z.optional(z.number()),
  mpu_rate: z.optional(z.number()),
  linklayer: z.optional(z.string()),
});

const u32Match = z.looseObject({ value: z.string(), mask: z.string(), off: z.number() });

/**
 * tc prints a filter of several words with the same key for each, of which JSON.parse keeps the last one: gives them
 * keys of their own, match, match2 and so on.
 */
export function nameMatches(text: string): string {
  return text.replace(/"match":\{[^}]*\}(?:,"match":\{[^}]*\})+/g, (list) => {
    let count = 0;
    return list.replace(/"match":/g, () => `"match${++count === 1 ? '' : count}":`);
  });
}

// {"protocol":"ip","pref":1,"kind":"u32","chain":0,"options":{"fh":"800::1","order":1,"key_ht":"800","bkt":"0",
//  "flowid":"52:1","not_in_hw":true,"match":{"value":"b80000","mask":"fc0000","offmask":"","off":0}}};
// a mark is "fwmark_value":"0x10","fwmark_mask":"0xff","fwmark_success":0 and no match; a priority has no flowid but
// "actions":[{"order":1,"kind":"skbedit","priority":"51:8","control_action":{"type":"pipe"},…}].
const filterJson = z.looseObject({
  protocol: z.string(),
  pref: z.number(),
  kind: z.string(),
  options: z.optional(
    z.looseObject({
      fh: z.optional(z.string()),
      flowid: z.optional(z.string()),
      handle: z.optional(z.number()),
      classid: z.optional(z.string()),
      indev: z.optional(z.string()),
      keys: z.optional(z.record(z.string(), z.unknown())),
      match: z.optional(u32Match),
      match2: z.optional(u32Match),
      match3: z.optional(u32Match),
      match4: z.optional(u32Match),
      fwmark_value: z.optional(z.string()),
      fwmark_mask: z.optional(z.string()),
      actions: z.optional(z.array(z.looseObject({ kind: z.string(), priority: z.optional(z.string()) }))),
    }),
  ),
});

export type QdiscJson = z.infer<typeof qdiscJson>;

/** Everything that tc shows of one device. */
export interface DeviceJson {
  readonly qdiscs: readonly QdiscJson[];
  readonly classes: readonly unknown[];
  /** The filters of each parent that was asked for. */
  readonly filters: readonly { readonly parent: string; readonly list: readonly unknown[] }[];
}

/** Checks the shape of `tc -j qdisc show`. Throws a ZodError when it is not a list of qdiscs. */
export function readQdiscList(json: unknown): QdiscJson[] {
  return z.array(qdiscJson).parse(json);
}

/** What stands at the root of a device, and if it is ours, all of it. */
export function readTree(json: DeviceJson): Observed {
  const root = json.qdiscs.find((qdisc) => qdisc.root === true);
  if (!root || root.handle === '0:') return { state: 'default' };
  const side = sideOfRoot(root.handle);
  if (!side) return { state: 'foreign', kind: root.kind, handle: root.handle };
  const strange: string[] = [];
  const filters = json.filters.flatMap(({ parent, list }) =>
    list.flatMap((item) => readFilter(filterJson.parse(item), parent, side, strange)),
  );
  const sorters = filters.filter((filter) => 'sort' in filter);
  return {
    state: 'ours',
    side,
    tree: {
      qdiscs: json.qdiscs.filter(isEgress).flatMap((qdisc) => readQdisc(qdisc, side, strange)),
      classes: json.classes.flatMap((item) => readClass(classJson.parse(item), side, strange)),
      filters: filters.filter((filter): filter is Filter => !('network' in filter) && !('sort' in filter)),
      prefixes: filters.filter((filter) => 'network' in filter),
      ...(sorters.length === 0 ? {} : { sorters }),
    },
    strange,
  };
}

// clsact and ingress hang on the same device but are no part of the egress tree.
function isEgress(qdisc: QdiscJson): boolean {
  return qdisc.kind !== 'clsact' && qdisc.kind !== 'ingress';
}

function readQdisc(json: QdiscJson, side: Side, strange: string[]): Qdisc[] {
  const options = isQdiscKind(json.kind) ? readOptions(json.kind, json.options ?? {}) : undefined;
  if (!options) {
    strange.push(`qdisc ${json.kind} ${json.handle}`);
    return [];
  }
  const parent = json.root === true ? 'root' : offSide(json.parent ?? '', side);
  const stab = json.stab === undefined ? {} : { stab: readStab(json.stab) };
  return [{ handle: offSide(json.handle, side), parent, options, ...stab }];
}

function readClass(json: z.infer<typeof classJson>, side: Side, strange: string[]): HtbClass[] {
  if (json.class !== 'htb') return [];
  const { rate, ceil, burst, cburst, quantum, prio } = json;
  if (rate === undefined || ceil === undefined || burst === undefined || cburst === undefined) {
    strange.push(`class ${json.handle}`);
    return [];
  }
  return [
    {
      classid: offSide(json.handle, side),
      // A class at the top of its qdisc has no parent here, only "root":true.
      parent: offSide(json.parent ?? json.handle.replace(/:.*/, ':'), side),
      // tc prints rates in bytes per second and takes them in bits.
      rate: rate * 8,
      ceil: ceil * 8,
      burst,
      cburst,
      quantum,
      prio: prio ?? 0,
      ...readOverhead(json),
    },
  ];
}

function readOverhead(json: z.infer<typeof classJson>): { readonly overhead?: ClassOverhead } {
  const { overhead: bytes = 0, mpu_rate: mpu = 0, linklayer } = json;
  // The kernel says "adsl" where it was told "atm".
  const isAtm = linklayer === 'atm' || linklayer === 'adsl';
  if (bytes === 0 && mpu === 0 && !isAtm) return {};
  return { overhead: { linklayer: isAtm ? 'atm' : 'ethernet', bytes, ...(mpu === 0 ? {} : { mpu }) } };
}

function readFilter(
  json: z.infer<typeof filterJson>,
  parent: string,
  side: Side,
  strange: string[],
): (Filter | PrefixFilter | Sorter)[] {
  const { fh = ':', flowid, actions } = json.options ?? {};
  // The first rows of a preference announce it and its hash table; they are not filters.
  if (json.kind === 'u32' && fh.endsWith(':')) return [];
  if (json.kind === 'flower' && json.options === undefined) return [];
  const sorter = readSorter(json, parent, side);
  if (sorter) return [sorter];
  const family = familyOf(json.protocol, json.pref);
  const [, table, index = ''] = /^(\w+)::(\w+)$/.exec(fh) ?? [];
  const matched = family && readMatch(family, json.options);
  const priority = actions?.length === 1 && actions[0]?.kind === 'skbedit' ? actions[0].priority : undefined;
  const target = actions === undefined ? flowid : priority;
  if (!family || table !== FILTER_FAMILY[family].table || !matched || target === undefined) {
    strange.push(`filter ${json.kind} ${json.protocol} pref ${json.pref} ${fh}`);
    return [];
  }
  return [
    {
      parent: offSide(parent, side),
      family,
      ...matched,
      flowid: offSide(target, side),
      index: Number.parseInt(index, 16),
      ...(actions === undefined ? {} : { isPriority: true }),
    },
  ];
}

type Matched =
  | Pick<DscpFilter, 'dscp'>
  | Pick<MarkFilter, 'mark'>
  | Pick<AnyFilter, 'mask'>
  | Pick<PrefixFilter, 'side' | 'network'>;

function readMatch(
  family: IpFamily,
  options: z.infer<typeof filterJson>['options'] = {},
): Matched | undefined {
  const { match, match2, match3, match4, fwmark_value: value, fwmark_mask: mask } = options;
  if (value !== undefined && mask !== undefined)
    return match ? undefined : { mark: { value: Number(value), mask: Number(mask) } };
  if (!match) return undefined;
  const dscp = match2 ? undefined : dscpOf(family, match);
  if (dscp !== undefined) return { dscp };
  if (!match2 && match.off === 0 && Number.parseInt(match.mask, 16) === 0) return { mask: 0 };
  return networkOfMatches(
    family,
    [match, match2, match3, match4].filter((one) => one !== undefined),
  );
}

function familyOf(protocol: string, pref: number): IpFamily | undefined {
  const family = protocol === 'ip' || protocol === 'ipv6' ? protocol : undefined;
  return family && FILTER_FAMILY[family].pref === pref ? family : undefined;
}
