// Owns what is to be reached in costs: packets lost, processes, memory, throughput. Pure.
import { awakenings, rowsOfKind } from './cost-tables.js';
import { percent } from './scene-tables.js';
import type { Target } from './verdict.js';

const DETACHED =
  'the interface has no queue while the kernel replaces its root, and drops what is sent: 10 ms and more, whatever the order of the script (by hand: 5 packets). Of a call of 50 packets a second that is one';

/** In the order of the list of what is to be reached. */
export const COST_TARGETS: readonly Target[] = [
  ...reapplyTargets(),
  ...reconcileTargets(),
  {
    text: 'agent ≤ 12 MB private dirty after a thousand passes, all processes of its unit',
    measure: (rows) => {
      const [found] = rowsOfKind(rows, 'resident');
      const last = found?.privateDirty.at(-1);
      if (!found || !last) return undefined;
      const alone = found.lasting.length === 0 ? ', and no process outlives one' : '';
      return {
        figure: `${(last.bytes / 1e6).toFixed(1)} MB after ${last.passes}${alone}`,
        isReached: last.bytes <= 12e6,
      };
    },
    limit: 'a Node that stays: its heap, what V8 has compiled, and the threads of libuv',
  },
  {
    text: 'no periodic wake-up more often than the slow full pass',
    measure: (rows) => {
      const [found] = rowsOfKind(rows, 'resident');
      if (!found) return undefined;
      const times = awakenings(found.wakingAt);
      return {
        figure: `${times} times in ${found.quietSeconds} s, ${found.passes.toFixed(0)} slow passes`,
        isReached: times <= Math.ceil(found.passes),
      };
    },
    limit: 'timers of Node',
  },
  vifTarget(
    'TCP, super-packets',
    'unshaped bands cost ≤ 5 % of throughput',
    'a turn of ets and one of fq_codel for each packet',
  ),
  vifTarget(
    'TCP, single frames',
    'the same without super-packets (GSO and GRO off, which Qubes has on)',
    'u32 and one queue more for each frame, at each of the hops: 500 instructions',
  ),
];

function reapplyTargets(): Target[] {
  const target = (start: string, text: string, most: number, limit: string): Target => ({
    text,
    measure: (rows) => {
      const found = rowsOfKind(rows, 'reapply').find(({ action }) => action.startsWith(start));
      return (
        found && { figure: `${found.lost} in ${found.times}`, isReached: found.lost <= most * found.times }
      );
    },
    limit,
  });
  return [
    target('no-op', 'a no-op loses no packet', 0, 'nothing should'),
    target(
      'change',
      'a change in place loses no packet',
      0,
      'leaves that are replaced drop what waits in them',
    ),
    target('swap', 'a swap of the tree loses ≤ 3 packets of 500 a second', 3, DETACHED),
  ];
}

function reconcileTargets(): Target[] {
  const most = (pass: string, limit: number): Target => ({
    text: `≤ ${limit} processes per ${pass} at any number of vifs`,
    measure: (rows) => {
      const found = rowsOfKind(rows, 'reconcile').filter((row) => row.pass.startsWith(pass));
      if (found.length === 0) return undefined;
      const highest = Math.max(...found.map(({ processes }) => processes));
      return { figure: highest.toFixed(1), isReached: highest <= limit };
    },
    limit: 'rounds of observe and apply',
  });
  const linear: Target = {
    text: 'time of a no-op linear in vifs',
    measure: (rows) => {
      const found = rowsOfKind(rows, 'reconcile').filter(({ pass }) => pass === 'no-op');
      const at = (vifs: number) => found.find((row) => row.vifs === vifs)?.ms;
      const [few, many, most_] = [at(10), at(100), at(250)];
      if (few === undefined || many === undefined || most_ === undefined) return undefined;
      const growth = (most_ - many) / 150 / ((many - few) / 90);
      return {
        figure: `a vif costs ${growth.toFixed(2)} times as much from 100 to 250 as from 10 to 100`,
        isReached: growth <= 1.2,
      };
    },
    limit: 'something is looked up for each vif in a list of all',
  };
  return [most('no-op', 3), most('change', 8), linear];
}

/** Against fq_codel, which a vif of Qubes has by default; a veth of the lab has nothing. */
function vifTarget(traffic: string, text: string, limit: string): Target {
  return {
    text,
    measure: (rows) => {
      const found = rowsOfKind(rows, 'vif').filter((row) => row.traffic === traffic);
      if (found.length === 0) return undefined;
      const mbit = (start: string): number => found.find(({ qdisc }) => qdisc.startsWith(start))?.mbit ?? NaN;
      const cost = 1 - mbit('bands') / mbit('fq_codel');
      return { figure: percent(cost), isReached: cost <= 0.05 };
    },
    limit,
  };
}
