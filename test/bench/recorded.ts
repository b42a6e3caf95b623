// A few rows as guests recorded them, for the tests of tables, targets and plots.
import type { BenchRow, SceneRow, StreamPhase } from './figures.js';
import { QUANTILES } from './statistics.js';

const phase = (p50: number, p99: number, max: number, loss = 0): StreamPhase => ({
  ...{ p50, p99, max, loss, reordered: 0 },
});

function scene(
  design: string,
  isOurs: boolean,
  phases: readonly StreamPhase[],
  loads: readonly (readonly [number, number, number])[],
): SceneRow {
  const [personal, untrusted] = loads;
  return {
    ...{ kind: 'scene', scene: 'mix-10-ip', design, isOurs, used: personal ? 0.9412 : null },
    streams: [{ name: 'voice', phases, quantiles: QUANTILES.map((share) => 0.2 + share * phases[0]!.max!) }],
    loads:
      personal && untrusted
        ? [
            { name: 'personal', class: 'cs0', mbit: personal },
            { name: 'untrusted', class: 'cs1', mbit: untrusted },
          ]
        : [],
  };
}

/** The 10 Mbit/s line and one row or two of each cost. */
export const RECORDED: readonly BenchRow[] = [
  scene('idle line', false, [phase(0.213, 0.23, 0.267)], []),
  scene(
    ...(['no QoS', false] as const),
    [
      phase(478.655, 494.17, 497.578, 0.243),
      phase(477.907, 494.712, 496.842, 0.21),
      phase(477.642, 495.814, 497.353, 0.197),
    ],
    [
      [5.872, 5.824, 5.815],
      [3.928, 3.837, 3.86],
    ],
  ),
  scene(
    ...(['htb+ets+cake', true] as const),
    [phase(0.834, 1.451, 2.573), phase(0.847, 1.449, 1.484), phase(0.834, 1.456, 1.483)],
    [
      [6.79, 6.79, 6.8],
      [2.26, 2.26, 2.27],
    ],
  ),
  { kind: 'failed', what: 'download-50, no QoS', why: 'ConnectionRefusedError' },
  {
    kind: 'vif',
    qdisc: 'noqueue (no qdisc at all)',
    traffic: 'TCP, single frames',
    mbit: 618.486,
    instructions: 9364.8,
  },
  {
    kind: 'vif',
    qdisc: 'fq_codel (default of systemd)',
    traffic: 'TCP, single frames',
    mbit: 603.455,
    instructions: 9598.1,
  },
  {
    kind: 'vif',
    qdisc: 'bands of ours, without a rate',
    traffic: 'TCP, single frames',
    mbit: 590.1,
    instructions: 9815.3,
  },
  {
    ...{ kind: 'reapply', action: 'swap: a tree that can only be rebuilt', times: 4 },
    ...{ sent: 5000, lost: 31, p99: 2.147, max: 3.11, tcpMbit: 8.096 },
  },
  { kind: 'reconcile', vifs: 10, pass: 'no-op', processes: 2, ms: 108 },
  { kind: 'reconcile', vifs: 100, pass: 'no-op', processes: 2, ms: 818 },
  { kind: 'reconcile', vifs: 250, pass: 'no-op', processes: 2, ms: 1982 },
  {
    ...{
      kind: 'resident',
      quietSeconds: 300,
      wakingAt: [20, 21, 80, 82, 140, 200, 260],
      wakeUps: 90,
      passes: 5,
      processes: [{ name: 'node', bytes: 12_400_000 }],
      lasting: ['node'],
    },
    privateDirty: [
      { passes: 0, bytes: 6_900_000 },
      { passes: 1000, bytes: 12_400_000 },
    ],
  },
  { kind: 'start', command: 'node -e 0', ms: 838.7, ratio: 1 },
  { kind: 'start', command: 'qvm-qos list', ms: 1092.6, ratio: 1.3028 },
];
