// Owns the difference desired x observed -> ops for one device. In place where the kernel can, else a twin tree.
import { sortersOf, withoutGone } from './gone.js';
import { otherSide } from './handles.js';
import { changeOptions, sameOptions } from './kinds.js';
import { DEFAULT_R2Q } from './kinds/classful.js';
import {
  IP_FAMILIES,
  type ClassOverhead,
  type DeviceOps,
  type Filter,
  type HtbClass,
  type Observed,
  type Op,
  type PrefixFilter,
  type Qdisc,
  type Side,
  type Tree,
  type U32Filter,
} from './model.js';
import { sameSorter, sorterKey, type Sorter } from './sorters.js';
import { sameStab } from './stab.js';

export interface DiffOptions {
  /** True when the user allows a foreign root qdisc to be replaced. */
  readonly takeover: boolean;
}

/**
 * The ops that lead from observed to desired; no ops when nothing is to be done.
 * @param desired - the tree, or undefined when nothing of ours belongs on the device.
 */
export function diffTc(
  ifname: string,
  desired: Tree | undefined,
  observed: Observed,
  options: DiffOptions,
): DeviceOps {
  if (!desired) return { ifname, side: '5', ops: observed.state === 'ours' ? [{ op: 'delete-root' }] : [] };
  switch (observed.state) {
    case 'default':
      return buildTree(ifname, desired, '5');
    case 'foreign':
      return options.takeover ? buildTree(ifname, desired, '5') : { ifname, side: '5', ops: [] };
    case 'ours': {
      const ops = observed.strange.length === 0 ? changesInPlace(desired, observed.tree) : undefined;
      return ops
        ? { ifname, side: observed.side, ops }
        : buildTree(ifname, desired, otherSide(observed.side));
    }
  }
}

/** All of a tree, parents before children. Replacing the root drops whatever stood there. */
export function buildTree(ifname: string, tree: Tree, side: Side): DeviceOps {
  const roots = tree.qdiscs.filter(({ parent }) => parent === 'root');
  const others = tree.qdiscs.filter(({ parent }) => parent !== 'root');
  // An HTB that is not the root has classes of its own, which come after it.
  const shapers = others.filter(({ options }) => options.kind === 'htb');
  return {
    ifname,
    side,
    ops: [
      ...[...roots, ...shapers].map(replaceQdisc),
      ...tree.classes.map(replaceClass),
      ...others.filter((qdisc) => !shapers.includes(qdisc)).map(replaceQdisc),
      // IPv4 first, each sort: the kernel numbers the hash tables of the families in the order in which they come.
      ...IP_FAMILIES.flatMap((family) => [
        ...tree.prefixes.filter((one) => one.family === family).map(replacePrefix),
        ...tree.filters.filter((one) => one.family === family).map(replaceFilter),
      ]),
      ...sortersOf(tree).map(replaceSorter),
    ],
  };
}

/** The ops that turn the observed tree into the desired one without touching its root, or undefined if none can. */
function changesInPlace(desired: Tree, all: Tree): Op[] | undefined {
  const { left: observed, removals } = withoutGone(desired, all);
  const qdiscs = changes(desired.qdiscs, observed.qdiscs, (qdisc) => qdisc.handle, changeQdisc);
  const r2q = r2qOf(desired);
  const classes = changes(
    desired.classes,
    observed.classes,
    (htbClass) => htbClass.classid,
    (wanted, found) => changeClass(wanted, found, r2q),
  );
  const filters = changes(desired.filters, observed.filters, u32Key, changeFilter);
  const prefixes = changes(desired.prefixes, observed.prefixes, u32Key, changePrefix);
  const sorters = changes(sortersOf(desired), sortersOf(observed), sorterKey, changeSorter);
  if (!qdiscs || !classes || !filters || !prefixes || !sorters) return undefined;
  // A shaper of EF that is new must be there before its classes.
  const isShaper = (op: Op): boolean => op.op === 'replace-qdisc' && op.qdisc.options.kind === 'htb';
  const [shapers, others] = [qdiscs.filter(isShaper), qdiscs.filter((op) => !isShaper(op))];
  return [...shapers, ...classes, ...others, ...prefixes, ...filters, ...sorters, ...removals];
}

function changeSorter(desired: Sorter, observed: Sorter | undefined): Change {
  return observed && sameSorter(desired, observed) ? 'same' : replaceSorter(desired);
}

function replaceSorter(sorter: Sorter): Op {
  return { op: 'replace-sorter', sorter };
}

/** 'same', the op that makes it so, or 'rebuild' when the kernel cannot change one into the other. */
type Change = 'same' | 'rebuild' | Op;

function changes<T>(
  desired: readonly T[],
  observed: readonly T[],
  keyOf: (item: T) => string,
  change: (desired: T, observed: T | undefined) => Change,
): Op[] | undefined {
  const wanted = new Set(desired.map(keyOf));
  if (observed.some((item) => !wanted.has(keyOf(item)))) return undefined;
  const existing = new Map(observed.map((item) => [keyOf(item), item]));
  const results = desired.map((item) => change(item, existing.get(keyOf(item))));
  if (results.includes('rebuild')) return undefined;
  return results.filter((result): result is Op => typeof result === 'object');
}

function changeQdisc(desired: Qdisc, observed: Qdisc | undefined): Change {
  if (!observed) return desired.parent === 'root' ? 'rebuild' : replaceQdisc(desired);
  if (observed.parent !== desired.parent || observed.options.kind !== desired.options.kind) return 'rebuild';
  const isStabSame = sameStab(desired.stab, observed.stab);
  if (isStabSame && sameOptions(desired.options, observed.options)) return 'same';
  // A replaced qdisc without a size table has none any more, so the op says the whole table.
  const options = changeOptions(desired.options, observed.options);
  return options ? replaceQdisc({ ...desired, options }) : 'rebuild';
}

function r2qOf({ qdiscs }: Tree): number {
  const root = qdiscs.find(({ parent }) => parent === 'root')?.options;
  return root?.kind === 'htb' ? (root.r2q ?? DEFAULT_R2Q) : DEFAULT_R2Q;
}

function changeClass(desired: HtbClass, observed: HtbClass | undefined, r2q: number): Change {
  if (!observed) return replaceClass(desired);
  if (observed.parent !== desired.parent) return 'rebuild';
  const same =
    wholeBytes(desired.rate) === observed.rate &&
    wholeBytes(desired.ceil) === observed.ceil &&
    sameBurst(desired.burst, observed.burst, desired.rate) &&
    sameBurst(desired.cburst, observed.cburst, desired.ceil) &&
    (observed.quantum === undefined || quantumOf(desired, r2q) === observed.quantum) &&
    desired.prio === observed.prio &&
    sameOverhead(desired.overhead, observed.overhead);
  return same ? 'same' : replaceClass(desired);
}

// tc passes rates on in whole bytes per second.
function wholeBytes(rate: number): number {
  return Math.floor(rate / 8) * 8;
}

// What the kernel computes where none is said, within the bounds that it warns of (net/sched/sch_htb.c).
function quantumOf({ quantum, rate }: HtbClass, r2q: number): number {
  return quantum ?? Math.min(200_000, Math.max(1000, Math.floor(Math.floor(rate / 8) / r2q)));
}

function sameOverhead(a: ClassOverhead | undefined, b: ClassOverhead | undefined): boolean {
  return (
    (a?.bytes ?? 0) === (b?.bytes ?? 0) &&
    (a?.mpu ?? 0) === (b?.mpu ?? 0) &&
    (a?.linklayer ?? 'ethernet') === (b?.linklayer ?? 'ethernet')
  );
}

// The kernel keeps a burst as a time in ticks of 64 ns at the class's rate (psched): 1600 bytes come back as 1598.
function sameBurst(desired: number, observed: number, rate: number): boolean {
  return Math.abs(desired - observed) <= Math.max(8, (rate / 8) * 128e-9);
}

function u32Key({ parent, family, index }: U32Filter): string {
  return `${parent} ${family} ${index}`;
}

// u32 copies the match of an existing filter when it is replaced: only its target can change.
function changeFilter(desired: Filter, observed: Filter | undefined): Change {
  if (!observed) return replaceFilter(desired);
  if (matchOf(observed) !== matchOf(desired)) return 'rebuild';
  if ((observed.isPriority ?? false) !== (desired.isPriority ?? false)) return 'rebuild';
  if (observed.flowid === desired.flowid) return 'same';
  // The action of a filter that is replaced stays.
  return desired.isPriority === true ? 'rebuild' : replaceFilter(desired);
}

function matchOf(filter: Filter): string {
  if ('mask' in filter) return 'any';
  return 'mark' in filter ? `mark ${filter.mark.value}/${filter.mark.mask}` : `dscp ${filter.dscp}`;
}

// The first filter of a family makes a hash table, whose number depends on what was there before.
function changePrefix(desired: PrefixFilter, observed: PrefixFilter | undefined): Change {
  if (observed?.network !== desired.network || observed.side !== desired.side) return 'rebuild';
  return observed.flowid === desired.flowid ? 'same' : replacePrefix(desired);
}

function replacePrefix(prefix: PrefixFilter): Op {
  return { op: 'replace-prefix', prefix };
}

function replaceQdisc(qdisc: Qdisc): Op {
  return { op: 'replace-qdisc', qdisc };
}

function replaceClass(htbClass: HtbClass): Op {
  return { op: 'replace-class', htbClass };
}

function replaceFilter(filter: Filter): Op {
  return { op: 'replace-filter', filter };
}
