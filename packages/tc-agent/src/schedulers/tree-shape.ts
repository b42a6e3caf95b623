// Owns the shape of a custom tree: who is in whom, in which order, how deep. Pure.
import { quote } from '@qubes-qos/core/quote';
import type { ClassConfig, TreeConfig } from '@qubes-qos/core/tree/config';
import { TreeFault } from '@qubes-qos/core/tree/fault';

/** Name of the top, which no class can have. */
export const TOP = '';

/** Levels of classes that HTB allows, the top included (TC_HTB_MAXDEPTH). */
const MAX_DEPTH = 8;

export interface TreeShape {
  readonly classes: ReadonlyMap<string, ClassConfig>;
  /** In the order of the settings. */
  readonly order: readonly string[];
  /** Every parent before its classes. */
  readonly parentsFirst: readonly string[];
  /** Those that have no classes in them, in the order of the settings. */
  readonly leaves: readonly string[];
  readonly parentOf: (name: string) => string;
}

/** Reads the shape. @throws TreeFault for unknown or circular parents, for depth, and for a leaf that is none. */
export function treeShape(name: string, tree: TreeConfig): TreeShape {
  const classes = new Map(Object.entries(tree.class ?? {}));
  const order = [...classes.keys()];
  const parentOf = (one: string): string => classes.get(one)?.parent ?? TOP;
  if (order.length === 0)
    throw new TreeFault(['tree', name], 'has no classes: expected [tree.NAME.class.CLASS]');
  const depths = new Map(order.map((one) => [one, depthOf(name, one, classes)]));
  const parents = new Set(order.map(parentOf));
  const leaves = order.filter((one) => !parents.has(one));
  for (const [one, config] of classes) {
    if (config.leaf !== undefined && !leaves.includes(one)) {
      throw new TreeFault(
        ['tree', name, 'class', one, 'leaf'],
        'a class that has classes in it has no leaf: expected leaf in one of those',
      );
    }
  }
  const parentsFirst = [...order].sort((a, b) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
  return { classes, order, parentsFirst, leaves, parentOf };
}

/** Levels from the top to this class, both counted. */
function depthOf(tree: string, name: string, classes: ReadonlyMap<string, ClassConfig>): number {
  const path = [name];
  for (;;) {
    const one = path.at(-1) ?? '';
    const config = classes.get(one);
    const at = ['tree', tree, 'class', one];
    if (config?.elsewhere === true) {
      throw new TreeFault([...at, 'elsewhere'], `no other file says what class ${quote(one)} is`);
    }
    const parent = config?.parent;
    if (parent === undefined) break;
    if (!classes.has(parent)) {
      throw new TreeFault(
        [...at, 'parent'],
        `unknown class ${quote(parent)}: expected ${[...classes.keys()].join(', ')}`,
      );
    }
    if (path.includes(parent)) {
      throw new TreeFault([...at, 'parent'], `is in itself: ${[...path, parent].join(' in ')}`);
    }
    path.push(parent);
  }
  if (path.length + 1 > MAX_DEPTH) {
    throw new TreeFault(
      ['tree', tree, 'class', name],
      `is ${path.length + 1} levels deep, the top counted: the kernel allows ${MAX_DEPTH}`,
    );
  }
  return path.length + 1;
}
