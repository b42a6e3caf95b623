// Owns what applying again does to traffic under way: the resident agent in sys-net, woken four times by dom0.
import { inQube, startInQube } from '../../lab/guest/namespaces.js';
import { NIC } from '../../lab/guest/qubes.js';
import { record } from '../../lab/guest/record.js';
import { sleep, until } from '../../lab/guest/run.js';
import { startLab, type Lab } from '../../lab/guest/topology.js';
import type { ReapplyRow } from '../figures.js';
import { lineOf } from '../scene-facts.js';
import { type Scene } from '../scenes.js';
import { markScene, runScene, type Timing } from './load.js';

const FEATURE = 'vm-config.qos-uplink';
const RATE = 'up=10mbit';
/** How often in a run, and how far apart. */
const TIMES = 4;
const APART_MS = 2000;
const TIMING: Timing = { warmUpMs: 4000, phasesMs: [0], seconds: 10 };

const SCENE: Scene = {
  ...{ name: 'reapply', title: 'Applied again under load', family: 'ip', place: 'sys-net', compared: 'all' },
  ...{ up: 10e6, down: 50e6, direction: 'up' },
  streams: [{ name: 'EF', qube: 'work', class: 'ef', bytes: 160, intervalMs: 2 }],
  loads: [{ name: 'personal', qube: 'personal', class: 'cs0', tcp: 2 }],
};

/** What is done each time; `index` counts from 0. */
const ACTIONS: Readonly<Record<string, (lab: Lab, index: number) => Promise<void>>> = {
  'nothing (for comparison)': () => Promise.resolve(),
  'no-op: the same rate again': (lab) => tell(lab, RATE),
  'change in place: another rate': (lab, index) => tell(lab, index % 2 === 0 ? 'up=9800kbit' : RATE),
  'swap: a tree that can only be rebuilt': async (lab) => {
    const before = await rootHandle();
    // A class that is not ours makes the tree strange, and the next pass replaces it by its twin.
    await inQube(
      'sys-net',
      ...`tc class add dev ${NIC} parent ${before} classid ${before}99 htb rate 8kbit`.split(' '),
    );
    await tell(lab, RATE);
    await until('the tree is swapped', async () => (await rootHandle()) !== before);
  },
};

/** Measures each way. */
export async function runReapply(): Promise<void> {
  const lab = await startLab(lineOf(SCENE));
  await markScene(SCENE);
  await tell(lab, RATE);
  const agent = startInQube('sys-net', 'qubes-qos-tc', 'run');
  await until('sys-net shapes', async () => (await rootKind()) === 'htb', 30_000);
  for (const [action, act] of Object.entries(ACTIONS)) {
    const [{ streams, loads }] = await Promise.all([runScene(SCENE, true, TIMING), actFourTimes(lab, act)]);
    const phase = streams[0]!.phases[0]!;
    const sent = (TIMING.seconds * 1000) / SCENE.streams[0]!.intervalMs;
    const row: ReapplyRow = {
      ...{ kind: 'reapply', action, times: TIMES, sent, lost: Math.round(phase.loss * sent) },
      ...{ p99: phase.p99, max: phase.max, tcpMbit: loads[0]!.mbit[0]! },
    };
    record(row);
  }
  await agent.stop();
}

async function actFourTimes(lab: Lab, act: (lab: Lab, index: number) => Promise<void>): Promise<void> {
  await sleep(TIMING.warmUpMs);
  for (let index = 0; index < TIMES; index++) {
    await sleep(APART_MS);
    await act(lab, index);
  }
}

function tell(lab: Lab, value: string): Promise<void> {
  lab.machine.setFeature('sys-net', FEATURE, value);
  return Promise.resolve();
}

interface Root {
  readonly kind: string;
  readonly handle: string;
  readonly root?: boolean;
}

async function root(): Promise<Root | undefined> {
  const qdiscs = JSON.parse(await inQube('sys-net', 'tc', '-j', 'qdisc', 'show', 'dev', NIC)) as Root[];
  return qdiscs.find((qdisc) => qdisc.root);
}

async function rootKind(): Promise<string | undefined> {
  return (await root())?.kind;
}

async function rootHandle(): Promise<string> {
  return (await root())?.handle ?? '';
}
