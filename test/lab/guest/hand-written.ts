// Owns the reference: the marks and the tree of the design, typed by hand, against which the lab itself is checked.
import { inQubeWith } from './namespaces.js';
import { NIC } from './qubes.js';

/** Marks everything that the qubes send, without an agent. */
export async function markByHand(classes: Readonly<Record<string, string>>): Promise<void> {
  for (const [qube, name] of Object.entries(classes)) {
    const script = `table inet hand {
  chain out {
    type filter hook output priority mangle; policy accept;
    oif "lo" accept
    ip dscp set ${name}
    ip6 dscp set ${name}
  }
}
`;
    await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
  }
}

/** Puts the tree for this rate (bit/s) on sys-net's card, or a fresh one in place of it. */
export async function shapeByHand(rate: number): Promise<void> {
  await inQubeWith({ okCodes: [0, 2] }, 'sys-net', 'tc', 'qdisc', 'del', 'dev', NIC, 'root');
  const lines = [...tree(rate), ...filters('ip', 1, '800'), ...filters('ipv6', 2, '801')];
  await inQubeWith({ stdin: `${lines.join('\n')}\n` }, 'sys-net', 'tc', '-batch', '-');
}

const BANDS = [1, 2, 3, 4, 5];

function tree(rate: number): string[] {
  const speed = `rate ${rate}bit ceil ${rate}bit burst 1600 cburst 1600 quantum 1514`;
  return [
    `qdisc replace dev ${NIC} root handle 51: htb default 1`,
    `class replace dev ${NIC} parent 51: classid 51:1 htb ${speed}`,
    `qdisc replace dev ${NIC} parent 51:1 handle 52: ets bands 5 strict 1 quanta 6056 4542 3028 1514 priomap ${'2 '.repeat(16).trim()}`,
    ...BANDS.map(
      (band) =>
        `qdisc replace dev ${NIC} parent 52:${band} handle 5${band}0: cake unlimited besteffort memlimit 1mb`,
    ),
  ];
}

function filters(protocol: 'ip' | 'ipv6', pref: number, table: string): string[] {
  const field = protocol === 'ip' ? 'ip dsfield' : 'ip6 priority';
  const bands = { '0xb8': 1, '0xa0': 2, '0x40': 4, '0x20': 5 };
  return Object.entries(bands).map(
    ([tos, band], index) =>
      `filter replace dev ${NIC} parent 52: protocol ${protocol} pref ${pref} handle ${table}::${index + 1} u32 match ${field} ${tos} 0xfc flowid 52:${band}`,
  );
}
