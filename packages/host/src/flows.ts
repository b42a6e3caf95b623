// Owns the one way to have the kernel look at offloaded connections anew.
import { run } from './process.js';

/**
 * Addresses of documentation (RFC 5737, RFC 3849): nobody sends there. IPv6 gives a route a new serial number only when
 * one beside it in the same table changes, so they are in the main table.
 */
const NOWHERE = ['unreachable 192.0.2.255/32', 'unreachable 2001:db8:ffff:ffff::/128'];

/**
 * Makes the flowtable of the kernel give every connection back to the long way for one packet, and then offload it again:
 * a change of any route makes the cached ones outdated (net/ipv4/fib_trie.c, net/ipv6/ip6_fib.c), and the flowtable checks
 * its own before each packet (net/netfilter/nf_flow_table_ip.c). No packet is lost.
 * @throws QosError of `run`.
 */
export async function reconsiderFlows(): Promise<void> {
  const script = ['replace', 'delete'].flatMap((verb) => NOWHERE.map((route) => `route ${verb} ${route}\n`));
  // A kernel without IPv6 refuses its lines.
  await run(['ip', '-force', '-batch', '-'], { stdin: script.join(''), okCodes: [0, 1] });
}
