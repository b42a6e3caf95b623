// Owns the reading of what rules inside a qube match: the JSON of nft 1.1 for each, as the kernel of the lab had it.
import { canonicalNetwork, isNetwork } from '../tc/prefixes.js';
import { isObject, operandsOf, type JsonObject } from './json.js';
import { ALL_BITS, L4_PROTOCOLS, type L4Protocol, type NftExpression } from './model.js';

/** A match of a protocol, port, destination, packet mark or cgroup; undefined for another. */
export function readMatch({ match }: JsonObject): NftExpression | undefined {
  const { op, left, right } = isObject(match) ? match : {};
  if (op !== '==') return undefined;
  return (
    readL4proto(left, right) ?? readPayload(left, right) ?? readMark(left, right) ?? readCgroup(left, right)
  );
}

/** `{"meta": {"key": "l4proto"}}` and `"tcp"`; or a number, without /etc/protocols */
function readL4proto(left: unknown, right: unknown): NftExpression | undefined {
  if (keyOf(left, 'meta') !== 'l4proto') return undefined;
  const protocol = PROTOCOLS.find((name) => name === right || L4_PROTOCOLS[name] === right);
  return protocol && { kind: 'l4proto', protocol };
}

/** `{"payload": {"protocol": "udp", "field": "dport"}}`, or `"ip6"` and `"daddr"` */
function readPayload(left: unknown, right: unknown): NftExpression | undefined {
  const payload = isObject(left) && isObject(left['payload']) ? left['payload'] : {};
  const { protocol: of, field } = payload;
  if (field === 'daddr' && (of === 'ip' || of === 'ip6')) return readDaddr(of, right);
  const protocol = PROTOCOLS.find((name) => name === of);
  if (field !== 'dport' || protocol === undefined || protocol === 'icmp' || protocol === 'ipv6-icmp')
    return undefined;
  const [first, last] = portsOf(right);
  if (typeof first !== 'number' || typeof last !== 'number') return undefined;
  return { kind: 'dport', protocol, first, last };
}

/** `{"prefix": {"addr": "10.0.0.0", "len": 8}}`, or `"10.1.2.3"` */
function readDaddr(family: 'ip' | 'ip6', right: unknown): NftExpression | undefined {
  const prefix = isObject(right) && isObject(right['prefix']) ? right['prefix'] : {};
  const { addr = right, len = family === 'ip' ? 32 : 128 } = prefix;
  if (typeof addr !== 'string' || typeof len !== 'number') return undefined;
  const network = `${addr}/${len}`;
  return isNetwork(network) ? { kind: 'daddr', family, network: canonicalNetwork(network) } : undefined;
}

/** `443`, or `{"range": [3478, 3481]}` */
function portsOf(right: unknown): readonly unknown[] {
  const range = isObject(right) ? right['range'] : undefined;
  return Array.isArray(range) ? (range as readonly unknown[]) : [right, right];
}

/** `{"&": [{"meta": {"key": "mark"}}, 240]}` and `16`; without a mask for all bits */
function readMark(left: unknown, right: unknown): NftExpression | undefined {
  const [term, mask = ALL_BITS] = operandsOf(left);
  if (keyOf(term, 'meta') !== 'mark' || typeof mask !== 'number' || typeof right !== 'number')
    return undefined;
  return { kind: 'mark', mask, value: right };
}

/** `{"socket": {"key": "cgroupv2"}}` and `"system.slice/backup.service"`; the level is not in the JSON */
function readCgroup(left: unknown, right: unknown): NftExpression | undefined {
  if (keyOf(left, 'socket') !== 'cgroupv2' || typeof right !== 'string') return undefined;
  return { kind: 'cgroup', path: right };
}

const PROTOCOLS = Object.keys(L4_PROTOCOLS) as L4Protocol[];

function keyOf(left: unknown, kind: 'meta' | 'socket'): unknown {
  const of = isObject(left) ? left[kind] : undefined;
  return isObject(of) ? of['key'] : undefined;
}
