// Owns the user's own trees: settings -> the tree for one interface. Pure. Everything that is wrong is a TreeFault.
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import { type Handle, type HtbClass, type Qdisc, type Tree } from '@qubes-qos/core/tc/model';
import type { ClassConfig, TreeConfig, TreesConfig } from '@qubes-qos/core/tree/config';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import { resolveRate, resolveSize, type ValueContext } from '@qubes-qos/core/tree/values';
import { fqCodelLeaf } from './leaf.js';
import { burstBytes, frameBytes, leafMemory } from './scheduler.js';
import { filtersOf } from './tree-filters.js';
import { TOP, treeShape, type TreeShape } from './tree-shape.js';

/** What a tree is built for. */
export interface TreeContext extends ValueContext {
  readonly config: TreesConfig;
  /** What the interface may use; undefined when nobody said. */
  readonly rate: BitsPerSecond | undefined;
  /** Largest packet of the interface, bytes. */
  readonly mtu: number;
}

/** A tree, and what `status` says of it. */
export interface BuiltTree {
  readonly tree: Tree;
  /** Rate of the top. */
  readonly rate: BitsPerSecond;
  /** The classes that hold packets, in the order of the settings. */
  readonly classes: readonly { readonly name: string; readonly leaf: Handle | undefined }[];
  readonly notes: readonly string[];
}

const TOP_CLASS: Handle = '51:1';
const FIRST_MINOR = 0x10;
const FIRST_LEAF = 0x510;
/** Majors 510: to 5ff: are ours. */
const MAX_LEAVES = 0xf0;
/** What the kernel computes a quantum to at most before it warns (net/sched/sch_htb.c). */
const MAX_QUANTUM = 200_000;

/**
 * Builds the tree of this name.
 * @throws TreeFault with the key that is wrong.
 */
export function buildCustomTree(name: string, context: TreeContext): BuiltTree {
  const tree = treeNamed(name, context.config);
  const shape = treeShape(name, tree);
  const ids = new Map(shape.order.map((one, index): [string, number] => [one, FIRST_MINOR + index]));
  const classid = (one: string): Handle =>
    one === TOP ? TOP_CLASS : `51:${(ids.get(one) ?? 0).toString(16)}`;
  const rates = resolveClasses(name, tree, shape, context);
  const leaves = leavesOf(name, shape, rates, classid, context);
  return {
    tree: {
      qdiscs: [
        rootOf(name, tree, shape, ids),
        ...leaves.map(({ qdisc }) => qdisc).filter((one) => one !== undefined),
      ],
      classes: [TOP, ...shape.parentsFirst].map((one) => htbClass(one, shape, rates, classid)),
      filters: filtersOf(name, shape, classid),
      prefixes: [],
    },
    rate: ratesOf(rates, TOP).rate,
    classes: leaves.map(({ className, qdisc }) => ({ name: className, leaf: qdisc?.handle })),
    notes: overcommitted(shape, rates),
  };
}

function treeNamed(name: string, { tree }: TreesConfig): TreeConfig {
  const found = Object.hasOwn(tree, name) ? tree[name] : undefined;
  if (found) return found;
  const known = Object.keys(tree);
  throw new TreeFault(
    ['tree'],
    `unknown tree ${quote(name)}: expected ${known.length === 0 ? 'a [tree.NAME], and there is none' : known.join(', ')}`,
  );
}

function rootOf(name: string, tree: TreeConfig, shape: TreeShape, ids: ReadonlyMap<string, number>): Qdisc {
  const path = ['tree', name, 'default'];
  const wanted = tree.default;
  if (wanted === undefined) {
    throw new TreeFault(
      ['tree', name],
      'has no default: expected the class of what no other takes, or "unshaped"',
    );
  }
  // HTB sends what has no class past all classes; 0 is what the kernel has when nothing is said.
  const minor = wanted === 'unshaped' ? 0 : ids.get(wanted);
  if (minor === undefined) {
    throw new TreeFault(
      path,
      `unknown class ${quote(wanted)}: expected ${shape.leaves.join(', ')} or unshaped`,
    );
  }
  if (wanted !== 'unshaped' && !shape.leaves.includes(wanted)) {
    throw new TreeFault(path, `class ${quote(wanted)} has classes in it: expected one that has none`);
  }
  const r2q = tree.r2q === undefined ? {} : { r2q: tree.r2q };
  return { handle: '51:', parent: 'root', options: { kind: 'htb', default: minor, ...r2q } };
}

/** A class with all its values. */
interface Rates {
  readonly rate: BitsPerSecond;
  readonly ceil: BitsPerSecond;
  readonly burst: number;
  readonly cburst: number;
  readonly quantum: number;
  readonly prio: number;
}

function resolveClasses(
  name: string,
  tree: TreeConfig,
  shape: TreeShape,
  context: TreeContext,
): Map<string, Rates> {
  const resolved = new Map<string, Rates>();
  const frame = frameBytes(context);
  const add = (
    className: string,
    config: ClassConfig,
    path: readonly string[],
    parent: Rates | undefined,
  ): void => {
    const rate = resolveRate(config.rate ?? '100%', parent?.rate ?? context.rate, [...path, 'rate'], context);
    const ceil =
      config.ceil === undefined
        ? rate
        : resolveRate(config.ceil, parent?.ceil ?? context.rate, [...path, 'ceil'], context);
    if (ceil < rate) {
      throw new TreeFault(
        [...path, config.ceil === undefined ? 'rate' : 'ceil'],
        `ceil of ${formatRate(ceil)}: expected at least the rate, which is ${formatRate(rate)}`,
      );
    }
    const variables = { rate, ceil, mtu: context.mtu };
    const burst = sizeOr(config.burst, burstBytes(rate, context), variables, [...path, 'burst'], context);
    const cburst = sizeOr(
      config.cburst,
      burstBytes(ceil, context),
      { ...variables, burst },
      [...path, 'cburst'],
      context,
    );
    const quantum =
      config.quantum ??
      (tree.r2q === undefined
        ? frame
        : Math.min(MAX_QUANTUM, Math.max(frame, Math.floor(rate / 8 / tree.r2q))));
    resolved.set(className, { rate, ceil, burst, cburst, quantum, prio: config.prio ?? 0 });
  };
  const { rate, ceil, burst, cburst } = tree;
  const top: ClassConfig = Object.fromEntries(
    Object.entries({ rate, ceil, burst, cburst }).filter(([, value]) => value !== undefined),
  );
  add(TOP, top, ['tree', name], undefined);
  for (const className of shape.parentsFirst) {
    const config = shape.classes.get(className) ?? {};
    const path = ['tree', name, 'class', className];
    if (config.rate === undefined)
      throw new TreeFault(path, 'has no rate: expected one such as "512kbit" or "40%"');
    add(className, config, path, resolved.get(shape.parentOf(className)));
  }
  return resolved;
}

function sizeOr(
  value: string | number | undefined,
  byRule: number,
  variables: Readonly<Record<string, number>>,
  path: readonly string[],
  context: TreeContext,
): number {
  return value === undefined ? byRule : resolveSize(value, variables, path, context);
}

function htbClass(
  name: string,
  shape: TreeShape,
  rates: ReadonlyMap<string, Rates>,
  classid: (name: string) => Handle,
): HtbClass {
  return {
    classid: classid(name),
    parent: name === TOP ? '51:' : classid(shape.parentOf(name)),
    ...ratesOf(rates, name),
  };
}

interface Leaf {
  readonly className: string;
  /** undefined: the first-in, first-out queue that HTB gives by itself. */
  readonly qdisc: Qdisc | undefined;
}

function leavesOf(
  name: string,
  shape: TreeShape,
  rates: ReadonlyMap<string, Rates>,
  classid: (name: string) => Handle,
  context: TreeContext,
): Leaf[] {
  if (shape.leaves.length > MAX_LEAVES) {
    throw new TreeFault(
      ['tree', name],
      `has ${shape.leaves.length} classes that hold packets: expected at most ${MAX_LEAVES}`,
    );
  }
  return shape.leaves.map((className, index): Leaf => {
    const { ceil } = ratesOf(rates, className);
    const { leaf = { kind: 'fair' } } = shape.classes.get(className) ?? {};
    const handle: Handle = `${(FIRST_LEAF + index).toString(16)}:`;
    const at = { handle, parent: classid(className) };
    switch (leaf.kind) {
      case 'none':
        return { className, qdisc: undefined };
      case 'fair':
        return { className, qdisc: { ...at, options: fqCodelLeaf({ rate: ceil, mtu: context.mtu }) } };
      case 'cake':
        // Without a limit one cake leaf held 15 MB (measured).
        return {
          className,
          qdisc: { ...at, options: { memlimit: leafMemory(ceil), ...leaf } },
        };
      case 'fq_codel':
        return {
          className,
          qdisc: {
            ...at,
            options: { quantum: frameBytes(context), memoryLimit: leafMemory(ceil), ...leaf },
          },
        };
      default:
        return { className, qdisc: { ...at, options: leaf } };
    }
  });
}

/** Every class has its values once resolveClasses is done. */
function ratesOf(rates: ReadonlyMap<string, Rates>, name: string): Rates {
  const found = rates.get(name);
  if (!found) throw new QosError('internal', `class ${quote(name)} was not resolved.`);
  return found;
}

/** Classes whose classes are promised more than they have. */
function overcommitted(shape: TreeShape, rates: ReadonlyMap<string, Rates>): string[] {
  return [TOP, ...shape.order].flatMap((name) => {
    const children = shape.order.filter((one) => shape.parentOf(one) === name);
    const promised = children.reduce((sum, one) => sum + ratesOf(rates, one).rate, 0);
    const has = ratesOf(rates, name).rate;
    if (promised <= has) return [];
    const what = name === TOP ? 'the tree' : `class ${name}`;
    return [`the classes of ${what} are promised ${Math.round((promised / has) * 100)} % of its rate`];
  });
}
