// A kernel that holds one device in memory and refuses what the real one refuses; the lab proves the same on a real one.
import { onSide } from '@qubes-qos/core/tc/handles';
import type {
  DeviceOps,
  Filter,
  HtbClass,
  Observed,
  Op,
  PrefixFilter,
  Qdisc,
  QdiscOptions,
  Side,
  Tree,
} from '@qubes-qos/core/tc/model';
import { offSide, sideOfRoot } from '@qubes-qos/core/tc/handles';
import { sorterKey, type Sorter } from '@qubes-qos/core/tc/sorters';

/** The device, with handles as the kernel has them. */
export class KernelModel {
  root: 'default' | 'foreign' | 'ours' = 'default';
  qdiscs = new Map<string, Qdisc>();
  classes = new Map<string, HtbClass>();
  filters = new Map<string, Filter>();
  prefixes = new Map<string, PrefixFilter>();
  sorters = new Map<string, Sorter>();

  run({ side, ops }: DeviceOps): void {
    for (const op of ops) this.#runOp(op, side);
  }

  observe(): Observed {
    if (this.root === 'default') return { state: 'default' };
    const rootHandle = [...this.qdiscs.values()].find(({ parent }) => parent === 'root')?.handle ?? '8001:';
    const side = sideOfRoot(rootHandle);
    if (this.root === 'foreign' || !side) return { state: 'foreign', kind: 'tbf', handle: rootHandle };
    const off = (handle: string) => offSide(handle, side);
    const tree: Tree = {
      qdiscs: [...this.qdiscs.values()].map((one) => ({
        ...one,
        handle: off(one.handle),
        parent: one.parent === 'root' ? 'root' : off(one.parent),
      })),
      classes: [...this.classes.values()].map((one) => ({
        ...one,
        classid: off(one.classid),
        parent: off(one.parent),
      })),
      filters: [...this.filters.values()].map((one) => ({
        ...one,
        parent: off(one.parent),
        flowid: off(one.flowid),
      })),
      prefixes: [...this.prefixes.values()].map((one) => ({
        ...one,
        parent: off(one.parent),
        flowid: off(one.flowid),
      })),
      sorters: [...this.sorters.values()].map((one) => ({
        ...one,
        parent: off(one.parent),
        flowid: off(one.flowid),
      })),
    };
    return { state: 'ours', side, tree, strange: [] };
  }

  /** What an administrator might do. */
  setForeign(): void {
    this.#clear();
    this.root = 'foreign';
  }

  #runOp(op: Op, side: Side): void {
    switch (op.op) {
      case 'delete-root':
        if (this.root === 'default') throw new Error('Cannot delete qdisc with handle of zero.');
        this.#clear();
        this.root = 'default';
        return;
      case 'replace-qdisc':
        this.#replaceQdisc({
          ...op.qdisc,
          handle: onSide(op.qdisc.handle, side),
          parent: op.qdisc.parent === 'root' ? 'root' : onSide(op.qdisc.parent, side),
        });
        return;
      case 'replace-class':
        this.#replaceClass({
          ...op.htbClass,
          classid: onSide(op.htbClass.classid, side),
          parent: onSide(op.htbClass.parent, side),
        });
        return;
      case 'replace-filter':
        this.#replaceFilter({
          ...op.filter,
          parent: onSide(op.filter.parent, side),
          flowid: onSide(op.filter.flowid, side),
        });
        return;
      case 'replace-sorter':
        this.#replaceSorter(sorterOnSide(op.sorter, side));
        return;
      case 'delete-sorter':
        if (!this.sorters.delete(sorterKey(sorterOnSide(op.sorter, side))))
          throw new Error('Specified filter handle not found.');
        return;
      case 'delete-class':
        this.#deleteClass(onSide(op.classid, side));
        return;
      case 'replace-prefix':
        this.#replacePrefix({
          ...op.prefix,
          parent: onSide(op.prefix.parent, side),
          flowid: onSide(op.prefix.flowid, side),
        });
        return;
      default:
        throw new Error('hooks have a test of their own');
    }
  }

  #replaceQdisc(qdisc: Qdisc): void {
    const existing = this.qdiscs.get(qdisc.handle);
    if (existing) {
      if (existing.options.kind !== qdisc.options.kind) throw new Error('Invalid qdisc name');
      if (['htb', 'sfq'].includes(qdisc.options.kind))
        throw new Error('Change operation not supported by specified qdisc.');
      if (existing.parent !== qdisc.parent)
        throw new Error('Cannot move an existing qdisc to a different parent.');
      if (qdisc.options.kind === 'fq_codel' && qdisc.options.flows !== undefined)
        throw new Error('fq_codel: flows cannot be changed');
    } else if (qdisc.parent === 'root') {
      this.#clear();
      this.root = 'ours';
    } else if (!this.#hasParent(qdisc.parent)) {
      throw new Error('Failed to find specified qdisc.');
    } else if ([...this.qdiscs.values()].some(({ parent }) => parent === qdisc.parent)) {
      throw new Error('a test of ours never grafts over another leaf');
    }
    this.qdiscs.set(qdisc.handle, { ...qdisc, options: { ...flowsOf(existing), ...rounded(qdisc.options) } });
  }

  #hasParent(classid: string): boolean {
    const owner = this.qdiscs.get(`${classid.split(':')[0] ?? ''}:`)?.options;
    if (owner?.kind === 'htb') return this.classes.has(classid);
    return owner?.kind === 'ets' || owner?.kind === 'prio';
  }

  #replaceClass(htbClass: HtbClass): void {
    if (!this.qdiscs.has(htbClass.parent) && !this.classes.has(htbClass.parent)) {
      throw new Error('Specified qdisc not found.');
    }
    const { rate, ceil } = htbClass;
    this.classes.set(htbClass.classid, { ...htbClass, rate: wholeBytes(rate), ceil: wholeBytes(ceil) });
  }

  #replaceFilter(filter: Filter): void {
    if (!this.qdiscs.has(filter.parent)) throw new Error('Parent Qdisc does not exist.');
    const key = `${filter.parent} ${filter.family} ${filter.index}`;
    // u32 keeps the match of a filter that exists.
    this.filters.set(key, { ...(this.filters.get(key) ?? filter), flowid: filter.flowid });
  }

  #replacePrefix(prefix: PrefixFilter): void {
    if (!this.qdiscs.has(prefix.parent)) throw new Error('Parent Qdisc does not exist.');
    const key = `${prefix.parent} ${prefix.family} ${prefix.index}`;
    const existing = this.prefixes.get(key);
    // u32 keeps the match of a filter that exists.
    this.prefixes.set(key, existing ? { ...existing, flowid: prefix.flowid } : prefix);
  }

  #replaceSorter(sorter: Sorter): void {
    if (!this.qdiscs.has(sorter.parent) && !this.classes.has(sorter.parent))
      throw new Error('Parent Qdisc does not exist.');
    this.sorters.set(sorterKey(sorter), sorter);
  }

  #deleteClass(classid: string): void {
    const isUsed = [...this.sorters.values()].some(({ flowid }) => flowid === classid);
    if (isUsed || [...this.classes.values()].some(({ parent }) => parent === classid))
      throw new Error('HTB class in use');
    if (!this.classes.delete(classid)) throw new Error('Specified class not found.');
    this.#deleteBelow(classid);
  }

  #deleteBelow(parent: string): void {
    for (const { handle } of [...this.qdiscs.values()].filter((one) => one.parent === parent)) {
      this.qdiscs.delete(handle);
      for (const [key, sorter] of this.sorters) if (sorter.parent === handle) this.sorters.delete(key);
      const children = new Set([...this.qdiscs.values()].map((one) => one.parent));
      for (const child of children) if (child.startsWith(handle)) this.#deleteBelow(child);
    }
  }

  #clear(): void {
    this.prefixes.clear();
    this.sorters.clear();
    this.qdiscs.clear();
    this.classes.clear();
    this.filters.clear();
  }
}

function sorterOnSide(sorter: Sorter, side: Side): Sorter {
  return { ...sorter, parent: onSide(sorter.parent, side), flowid: onSide(sorter.flowid, side) };
}

/** What fq_codel keeps from its creation. */
function flowsOf(existing: Qdisc | undefined): { readonly flows?: number } {
  return existing?.options.kind === 'fq_codel' && existing.options.flows !== undefined
    ? { flows: existing.options.flows }
    : {};
}

function rounded(options: QdiscOptions): QdiscOptions {
  return options.kind === 'cake' && options.bandwidth !== undefined
    ? { ...options, bandwidth: wholeBytes(options.bandwidth) }
    : options;
}

/** Rates are kept in bytes per second. */
function wholeBytes(rate: number): number {
  return Math.floor(rate / 8) * 8;
}
