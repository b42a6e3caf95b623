// The trees of every scheduler, for golden scripts, read-back tests and the lab.
import { bitsPerSecond } from '@qubes-qos/core/rate';
import type { Tree } from '@qubes-qos/core/tc/model';
import { cakeScheduler } from '@qubes-qos/tc-agent/schedulers/cake';
import { withExempt } from '@qubes-qos/tc-agent/exempt';
import { etsBands, etsCakeBands, prioBands } from '@qubes-qos/tc-agent/schedulers/bands';
import { htbEtsCake, htbEtsFqCodel } from '@qubes-qos/tc-agent/schedulers/htb-ets';
import { htbCake, htbFqCodel } from '@qubes-qos/tc-agent/schedulers/htb';
import { chargeOverhead } from '@qubes-qos/tc-agent/schedulers/overhead';
import { parseOverhead } from '@qubes-qos/core/overhead';
import { OWN_TREES, treeOf } from './own-trees.js';

const clients = [{ ifindex: 1, ifname: 'lo' }];

/** Name of the golden file -> tree. */
export const TREES: Readonly<Record<string, Tree>> = {
  'htb+ets+cake-10mbit': htbEtsCake.build({ rate: bitsPerSecond(9_500_000), mtu: 1500 }),
  'htb+ets+cake-1gbit': htbEtsCake.build({ rate: bitsPerSecond(950_000_000), mtu: 1500 }),
  'htb+ets+cake-1mbit': htbEtsCake.build({ rate: bitsPerSecond(950_000), mtu: 1500 }),
  'htb+ets+fq_codel-1mbit': htbEtsFqCodel.build({ rate: bitsPerSecond(950_000), mtu: 1500 }),
  'htb+cake-10mbit': htbCake.build({ rate: bitsPerSecond(9_500_000), mtu: 1500 }),
  'htb+fq_codel-10mbit': htbFqCodel.build({ rate: bitsPerSecond(9_500_000), mtu: 1420 }),
  'htb+ets+cake-local': withExempt(
    htbEtsCake.build({ rate: bitsPerSecond(9_500_000), mtu: 1500, wash: true }),
    ['169.254.0.0/16', '192.168.1.0/24', 'fe80::/10', '2001:db8:1::/64', '2001:db8::1:2:3/128'],
    'dst',
    1500,
  ),
  'htb+cake-local': withExempt(
    htbCake.build({ rate: bitsPerSecond(9_500_000), mtu: 1500 }),
    ['169.254.0.0/16', 'fe80::/10'],
    'src',
    1500,
  ),
  'ets+cake': etsCakeBands.build({ rate: undefined, mtu: 1500, wash: true }),
  'htb+ets+cake+ef-10mbit': htbEtsCake.build({
    rate: bitsPerSecond(9_500_000),
    mtu: 1500,
    ef: { rate: bitsPerSecond(4_750_000), clients },
  }),
  'htb+ets+fq_codel+ef-1mbit': htbEtsFqCodel.build({
    rate: bitsPerSecond(950_000),
    mtu: 1500,
    ef: { rate: bitsPerSecond(475_000), clients: [] },
  }),
  'ets+fq_codel+ef-4750kbit': etsBands.build({
    rate: undefined,
    mtu: 1500,
    ef: { rate: bitsPerSecond(4_750_000), clients },
  }),
  'ets+fq_codel': etsBands.build({ rate: undefined, mtu: 1500 }),
  'prio+fq_codel': prioBands.build({ rate: undefined, mtu: 1500 }),
};

const TEN_MBIT = { rate: bitsPerSecond(9_500_000), mtu: 1500 };
const charged = (tree: Tree, overhead: string): Tree => chargeOverhead(tree, parseOverhead(overhead), 14);

/** Trees whose leaves are not one for each of the five classes. */
export const OTHER_TREES: Readonly<Record<string, Tree>> = {
  'cake-10mbit': cakeScheduler.build(TEN_MBIT),
  'cake-10mbit-docsis': charged(cakeScheduler.build(TEN_MBIT), 'docsis'),
  'htb+cake-1gbit': htbCake.build({ rate: bitsPerSecond(950_000_000), mtu: 1500 }),
  'htb+ets+cake-10mbit-atm': charged(htbEtsCake.build(TEN_MBIT), 'atm'),
  'htb+ets+cake-10mbit-ptm': charged(htbEtsCake.build(TEN_MBIT), 'pppoe-ptm'),
  ...Object.fromEntries(Object.entries(OWN_TREES).map(([name, plan]) => [name, treeOf(plan)])),
};
