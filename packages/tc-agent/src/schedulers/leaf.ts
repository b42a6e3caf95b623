// Owns the leaf qdiscs: what holds the packets of one class.
import type { CakeOptions, FqCodelOptions } from '@qubes-qos/core/tc/model';
import { frameBytes, leafMemory, SUPER_PACKET, type TreeInput } from './scheduler.js';

/** CoDel's defaults (RFC 8290), microseconds. */
const TARGET = 5_000;
const INTERVAL = 100_000;
/** What a leaf without shaping may hold, bytes: a client that does not read must not fill the NetVM's memory. */
const UNSHAPED_MEMORY = 4_000_000;
const FLOWS = 1024;
/** Fewer on a vif, which carries one qube: 16 KB of tables instead of 64 in each of five leaves. */
const UNSHAPED_FLOWS = 256;

/** Splits GSO packets, which HTB would release in one burst (+1.2 ms at 10 Mbit/s), and isolates flows. */
export function cakeLeaf(input: TreeInput): CakeOptions {
  const memlimit = input.rate === undefined ? UNSHAPED_MEMORY : leafMemory(input.rate);
  return {
    ...{ kind: 'cake', diffserv: 'besteffort', memlimit },
    ...lineOptions(input),
    ...patience(input),
    // Where nothing is shaped a super-packet keeps nobody waiting.
    ...(input.rate === undefined && { splitGso: false }),
  };
}

/**
 * A cake that does not shape does not know the rate, and would drop what waits for one frame of somebody else: a packet of a
 * call, now and then (1 of 600 at 1 Mbit/s, measured). tc makes the target a twentieth of the `rtt` (tc-cake(8)).
 */
function patience(input: TreeInput): Pick<CakeOptions, 'rtt'> {
  const target = input.rate === undefined ? TARGET : targetAt(input.rate, input);
  return target > TARGET ? { rtt: 20 * target } : {};
}

/** Below 4 Mbit/s a frame and a half takes longer than 5 ms, and CoDel would drop almost everything. Microseconds. */
function targetAt(rate: number, input: TreeInput): number {
  return Math.max(TARGET, Math.round((1.5 * frameBytes(input) * 8 * 1e6) / rate));
}

/**
 * What cake does on a line besides queueing. Behind masquerade all clients have one address, and cake must ask conntrack
 * which of them it is. Where hosts are of no use, cake must be told so: it gives each flow of a host with a thousand of
 * them a thousandth of a turn, and goes round all of them a thousand times before one may send.
 */
export function lineOptions({
  wash,
  hosts,
  filterAcks,
}: TreeInput): Pick<CakeOptions, 'wash' | 'flowmode' | 'nat' | 'ackFilter'> {
  return {
    ...(hosts ? { flowmode: `dual-${hosts}host` as const, nat: true } : { flowmode: 'flows' as const }),
    ...(wash && { wash: true }),
    ...(filterAcks && { ackFilter: 'on' as const }),
  };
}

/** Isolates flows; for kernels without cake, and where nothing is shaped and GSO packets had better stay whole. */
export function fqCodelLeaf(input: TreeInput): FqCodelOptions {
  if (input.rate === undefined) {
    return {
      kind: 'fq_codel',
      flows: UNSHAPED_FLOWS,
      quantum: SUPER_PACKET,
      memoryLimit: UNSHAPED_MEMORY,
      target: TARGET,
      interval: INTERVAL,
    };
  }
  const target = targetAt(input.rate, input);
  return {
    kind: 'fq_codel',
    flows: FLOWS,
    memoryLimit: leafMemory(input.rate),
    target,
    interval: INTERVAL + target - TARGET,
  };
}
