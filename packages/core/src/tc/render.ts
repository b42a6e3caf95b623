// Owns the text given to `tc -batch`: one op, one line. Nothing else in the project writes tc commands.
import { dscpWords } from './dscp-match.js';
import { onSide } from './handles.js';
import { renderHookOp } from './hooks/render.js';
import { kindWords } from './kinds.js';
import type {
  ClassOverhead,
  DeviceOps,
  Filter,
  HtbClass,
  IpFamily,
  Op,
  PrefixFilter,
  Qdisc,
  Side,
  U32Filter,
} from './model.js';
import { renderSorter, renderSorterRemoval } from './sorters.js';
import { stabWords } from './stab.js';

/**
 * Preference and u32 hash table of each family. A preference holds one protocol only, and the kernel numbers
 * the tables itself, from 800 in the order of creation: IPv4 filters must come first on a fresh qdisc.
 */
export const FILTER_FAMILY: Readonly<Record<IpFamily, { readonly pref: number; readonly table: string }>> = {
  ip: { pref: 1, table: '800' },
  ipv6: { pref: 2, table: '801' },
};

/** The script for `tc -batch`, and for each of its lines the device that it concerns. */
export interface TcScript {
  readonly text: string;
  /** Index 0 is line 1. */
  readonly devices: readonly string[];
}

/** Renders the ops of all devices as one script. */
export function renderTc(deviceOps: readonly DeviceOps[]): TcScript {
  const lines = deviceOps.flatMap(({ ifname, side, ops }) =>
    ops.map((op) => ({ ifname, line: renderOp(op, ifname, side) })),
  );
  return { text: lines.map(({ line }) => `${line}\n`).join(''), devices: lines.map(({ ifname }) => ifname) };
}

function renderOp(op: Op, ifname: string, side: Side): string {
  switch (op.op) {
    case 'replace-qdisc':
      return renderQdisc(op.qdisc, ifname, side);
    case 'replace-class':
      return renderClass(op.htbClass, ifname, side);
    case 'replace-filter':
      return renderFilter(op.filter, ifname, side);
    case 'replace-sorter':
      return renderSorter(op.sorter, ifname, side);
    case 'delete-sorter':
      return renderSorterRemoval(op.sorter, ifname, side);
    case 'delete-class':
      return `class delete dev ${ifname} classid ${onSide(op.classid, side)}`;
    case 'delete-root':
      return `qdisc delete dev ${ifname} root`;
    case 'replace-prefix':
      return renderPrefix(op.prefix, ifname, side);
    default:
      return renderHookOp(op, ifname);
  }
}

function renderQdisc({ parent, handle, options, stab }: Qdisc, ifname: string, side: Side): string {
  const where = parent === 'root' ? 'root' : `parent ${onSide(parent, side)}`;
  const sizes = stab === undefined ? '' : `${stabWords(stab)} `;
  return `qdisc replace dev ${ifname} ${where} handle ${onSide(handle, side)} ${sizes}${kindWords(options)}`;
}

function renderClass(htb: HtbClass, ifname: string, side: Side): string {
  const ids = `parent ${onSide(htb.parent, side)} classid ${onSide(htb.classid, side)}`;
  const quantum = htb.quantum === undefined ? '' : `quantum ${htb.quantum} `;
  const sizes = `burst ${htb.burst} cburst ${htb.cburst} ${quantum}prio ${htb.prio}`;
  return `class replace dev ${ifname} ${ids} htb rate ${htb.rate}bit ceil ${htb.ceil}bit ${sizes}${overheadWords(htb.overhead)}`;
}

function overheadWords(overhead: ClassOverhead | undefined): string {
  if (overhead === undefined) return '';
  const mpu = overhead.mpu === undefined ? '' : ` mpu ${overhead.mpu}`;
  return `${mpu} overhead ${overhead.bytes} linklayer ${overhead.linklayer}`;
}

function renderFilter(filter: Filter, ifname: string, side: Side): string {
  return renderU32(filter, matchWords(filter), ifname, side);
}

function renderPrefix(prefix: PrefixFilter, ifname: string, side: Side): string {
  const header = prefix.family === 'ip' ? 'ip' : 'ip6';
  return renderU32(prefix, `${header} ${prefix.side} ${prefix.network}`, ifname, side);
}

function renderU32(filter: U32Filter, match: string, ifname: string, side: Side): string {
  const { pref, table } = FILTER_FAMILY[filter.family];
  const handle = `${table}::${filter.index.toString(16)}`;
  const ids = `parent ${onSide(filter.parent, side)} protocol ${filter.family} pref ${pref} handle ${handle}`;
  const verb = filter.isPriority === true ? 'action skbedit priority' : 'flowid';
  return `filter replace dev ${ifname} ${ids} u32 match ${match} ${verb} ${onSide(filter.flowid, side)}`;
}

function matchWords(filter: Filter): string {
  if ('mask' in filter) return 'u32 0 0';
  if ('mark' in filter) return `mark ${hex(filter.mark.value)} ${hex(filter.mark.mask)}`;
  return dscpWords(filter.family, filter.dscp);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
