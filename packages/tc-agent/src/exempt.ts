// Owns what is not the Internet's traffic: networks that a line reaches without using it. Pure.
import { connectedNetworks, type Link, type Route } from '@qubes-qos/core/links';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import type { PrefixFilter, Tree } from '@qubes-qos/core/tc/model';
import { canonicalNetwork, familyOfNetwork, numberPrefixes } from '@qubes-qos/core/tc/prefixes';
import { fqCodelLeaf } from './schedulers/leaf.js';
import { burstBytes, frameBytes } from './schedulers/scheduler.js';

/** Link-local addresses and multicast never leave the network that they are in (RFC 3927, 5771, 4291). */
const NEVER_ROUTED = ['169.254.0.0/16', '224.0.0.0/4', 'fe80::/10', 'ff00::/8'];

/** Addresses that qubesd gives to qubes and to disposable qubes (core-admin qubes/vm/mix/net.py). */
const QUBES_NETWORKS = ['10.137.0.0/16', '10.138.0.0/16', 'fd09:24ef:4179::/64'];

/** The class beside the shaped one, and its leaf. */
const LOCAL_CLASS = '51:f';
const LOCAL_LEAF = '560:';

/** Faster than any interface: HTB must be given a rate. */
const UNLIMITED = bitsPerSecond(100e9);
const LOCAL_QUANTUM = 60_000;

/**
 * The networks whose traffic the shaper of a line lets pass.
 * @param named - those that the user names.
 */
export function exemptNetworks(
  line: Link,
  routes: readonly Route[],
  named: readonly string[],
  isTunnel: boolean,
): string[] {
  // All that is sent into a tunnel goes over the line.
  if (isTunnel) return [];
  const found = line.group === 0 ? connectedNetworks(routes, line.ifname) : QUBES_NETWORKS;
  return [...new Set([...NEVER_ROUTED, ...found, ...named].map(canonicalNetwork))];
}

/** The tree with a way past its shaper; a tree that is no HTB shaper has none. */
export function withExempt(
  tree: Tree,
  networks: readonly string[],
  side: PrefixFilter['side'],
  mtu: number,
): Tree {
  const root = tree.qdiscs.find(({ parent }) => parent === 'root');
  if (root?.options.kind !== 'htb' || networks.length === 0) return tree;
  const input = { rate: UNLIMITED, mtu };
  const burst = burstBytes(UNLIMITED, input);
  return {
    ...tree,
    classes: [
      ...tree.classes,
      {
        ...{ classid: LOCAL_CLASS, parent: '51:', rate: UNLIMITED, ceil: UNLIMITED, burst, cburst: burst },
        ...{ quantum: Math.max(LOCAL_QUANTUM, frameBytes(input)), prio: 0 },
      },
    ],
    qdiscs: [
      ...tree.qdiscs,
      { handle: LOCAL_LEAF, parent: LOCAL_CLASS, options: fqCodelLeaf({ rate: undefined, mtu }) },
    ],
    prefixes: numberPrefixes(
      networks.map((network) => ({
        ...{ parent: '51:', family: familyOfNetwork(network), side, network, flowid: LOCAL_CLASS },
      })),
    ),
  };
}
