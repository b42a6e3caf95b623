// Owns the link layer: makes a tree count what packets take on the line, not what they are on the interface.
import type { LinkOverhead } from '@qubes-qos/core/overhead';
import type { ClassOverhead, HtbClass, Qdisc, Tree } from '@qubes-qos/core/tc/model';

/** PTM carries 64 of 65 bytes; HTB knows ATM's cells and not this. */
const PTM_PART = 64 / 65;

/**
 * The same tree, counting the overhead of the line. HTB gets it at its classes, and not as a size table of the root: a
 * cake leaf that splits a GSO packet gives its parts their bare lengths, and HTB counts what leaves it.
 * @param headerBytes - what the interface itself counts beyond the network layer: 14 on Ethernet, 0 in a tunnel.
 */
export function chargeOverhead(tree: Tree, overhead: LinkOverhead, headerBytes: number): Tree {
  const root = tree.qdiscs.find(({ parent }) => parent === 'root');
  if (root?.options.kind === 'cake') {
    return {
      ...tree,
      qdiscs: tree.qdiscs.map((qdisc) => (qdisc === root ? cakeRoot(qdisc, overhead) : qdisc)),
    };
  }
  return { ...tree, classes: tree.classes.map((one) => htbClass(one, overhead, headerBytes)) };
}

function cakeRoot(qdisc: Qdisc, { bytes, cells, mpu }: LinkOverhead): Qdisc {
  if (qdisc.options.kind !== 'cake') return qdisc;
  const framing = { overhead: bytes, cells, ...(mpu === undefined ? {} : { mpu }) };
  return { ...qdisc, options: { ...qdisc.options, ...framing } };
}

function htbClass(one: HtbClass, { bytes, cells, mpu }: LinkOverhead, headerBytes: number): HtbClass {
  const overhead: ClassOverhead = {
    linklayer: cells === 'atm' ? 'atm' : 'ethernet',
    bytes: Math.max(0, bytes - headerBytes),
    ...(mpu === undefined ? {} : { mpu }),
  };
  if (cells !== 'ptm') return { ...one, overhead };
  return { ...one, rate: ptmRate(one.rate), ceil: ptmRate(one.ceil), overhead };
}

function ptmRate(rate: number): number {
  return Math.max(8, Math.floor((rate * PTM_PART) / 8) * 8);
}
