// Owns what sys-net's card is given, or another interface that nothing is offloaded to: the class of each flow's packets, and
// the packets of each band.
import { CLASSES, type ClassName } from '@qubes-qos/core/classes';
import { readBandCounters } from '@qubes-qos/core/tc/counters';
import type { Place } from './measure.js';
import { inQube, inQubeWith } from './namespaces.js';
import { NIC } from './qubes.js';
import type { Family } from './traffic.js';

/** What came to the card since it is watched. A flow is known by its UDP port at the server. */
export interface Seen {
  /** Packets by class; `other` for a DSCP of no class. Empty when nothing came. */
  readonly packets: (family: Family, port: number) => Partial<Record<ClassName | 'other', number>>;
  /** Bytes of the network layer, all classes together. */
  readonly bytes: (family: Family, port: number) => number;
  /** Packets that each band sent, whatever they were; empty while there is no tree of five bands. */
  readonly bands: Partial<Record<ClassName, number>>;
}

const TABLE = 'inet lab-card';
const FAMILIES: readonly Family[] = ['ip', 'ip6'];
const NAMES = [...CLASSES.map(({ name }) => name), 'other'] as const;

const CARD: Place = { qube: 'sys-net', device: NIC };

/** Counts from here on. What leaves by a card or a tunnel is never offloaded, so that the hook sees every packet. */
export async function watchCard({ qube, device } = CARD): Promise<() => Promise<Seen>> {
  const sets = FAMILIES.flatMap((family) =>
    NAMES.map((name) => `set ${family}_${name} { type inet_service; size 4096; flags dynamic; counter; }\n`),
  );
  const rules = FAMILIES.flatMap((family) =>
    NAMES.map((name) => {
      const match = name === 'other' ? '' : ` ${family} dscp ${name}`;
      const protocol = family === 'ip' ? 'ipv4' : 'ipv6';
      return `meta nfproto ${protocol}${match} add @${family}_${name} { udp dport counter } return\n`;
    }),
  );
  const chain = `chain seen { type filter hook postrouting priority 350; policy accept;
    oifname != "${device}" return
    meta l4proto != udp return
    ${rules.join('    ')}  }\n`;
  const script = `table ${TABLE} {}\ndelete table ${TABLE}\ntable ${TABLE} {\n${sets.join('')}${chain}}\n`;
  await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
  const before = await bandPackets(qube, device);
  return async () => {
    const counts = readSets(await inQube(qube, 'nft', '-j', 'list', 'table', ...TABLE.split(' ')));
    const after = await bandPackets(qube, device);
    const of = (family: Family, name: string, port: number): Count =>
      counts.get(`${family}_${name}`)?.get(port) ?? { packets: 0, bytes: 0 };
    return {
      packets: (family, port) =>
        Object.fromEntries(
          NAMES.map((name) => [name, of(family, name, port).packets] as const).filter(
            ([, packets]) => packets,
          ),
        ),
      bytes: (family, port) => NAMES.reduce((sum, name) => sum + of(family, name, port).bytes, 0),
      bands: Object.fromEntries(
        after.map((packets, band) => [CLASSES[band]!.name, packets - (before[band] ?? 0)]),
      ),
    };
  };
}

interface Count {
  readonly packets: number;
  readonly bytes: number;
}

// {"nftables":[{"set":{"name":"ip_ef","elem":[{"elem":{"val":20001,"counter":{"packets":100,"bytes":…}}}],…}},…]}
function readSets(json: string): ReadonlyMap<string, ReadonlyMap<number, Count>> {
  const { nftables } = JSON.parse(json) as {
    nftables: { set?: { name: string; elem?: { elem: { val: number; counter: Count } }[] } }[];
  };
  return new Map(
    nftables.flatMap(({ set }) =>
      set ? [[set.name, new Map((set.elem ?? []).map(({ elem }) => [elem.val, elem.counter]))]] : [],
    ),
  );
}

async function bandPackets(qube: string, device: string): Promise<number[]> {
  // Asked for one device, tc leaves its name out.
  const text = await inQube(qube, 'tc', '-s', '-j', 'qdisc', 'show');
  return readBandCounters(JSON.parse(text), device).map(({ packets }) => packets);
}
