// Owns what the agent's unit holds after many passes, and how often any process of it wakes when nothing happens.
import { record } from '../../lab/guest/record.js';
import { sleep } from '../../lab/guest/run.js';
import type { ResidentRow } from '../figures.js';
import {
  programsDuring,
  startAgentWorld,
  unitProcesses,
  untilQuiet,
  waits,
  wakeUpsBetween,
  type AgentWorld,
} from './netvm-agent.js';

const VIFS = 3;
/** After so many passes memory is read. */
const MILESTONES = [0, 100, 300, 1000] as const;
/** Where no process outlives a pass, nothing can grow. */
const FEW_MILESTONES = [0, 10, 50] as const;
/** Longer than a pass takes, also one that starts the program anew; idle time costs nothing. */
const APART_MS = 3000;
const QUIET_SECONDS = 300;

/** Measures memory over a thousand passes, then a quiet time. */
export async function runResident(): Promise<void> {
  const world = await startAgentWorld();
  await world.addVifs(VIFS);
  await untilQuiet();
  const before = await unitProcesses();
  const perPass = await tcDuring(() => onePass(world));
  if (perPass === 0) throw new Error('the agent did not look at anything when it was told the rate again.');
  await untilQuiet();
  const lasting = (await unitProcesses()).filter((now) =>
    before.some(({ identity }) => identity === now.identity),
  );
  const memory: { passes: number; bytes: number }[] = [];
  let looked = 0;
  for (const milestone of lasting.length > 0 ? MILESTONES : FEW_MILESTONES) {
    while (looked / perPass < milestone) looked += await tcDuring(() => onePass(world));
    looked += await tcDuring(untilQuiet);
    const bytes = (await unitProcesses()).reduce((sum, process) => sum + process.bytes, 0);
    memory.push({ passes: Math.round(looked / perPass), bytes });
  }
  const processes = (await unitProcesses()).map(({ name, bytes }) => ({ name, bytes }));
  const row: ResidentRow = {
    ...{ kind: 'resident', privateDirty: memory, processes, lasting: lasting.map(({ name }) => name) },
    ...(await quietTime(perPass)),
  };
  record(row);
  await world.stop();
}

async function onePass(world: AgentWorld): Promise<void> {
  world.tellRate('10mbit');
  await sleep(APART_MS);
}

/** How often tc was run meanwhile: a pass without a change always runs it equally often. */
async function tcDuring(action: () => Promise<void>): Promise<number> {
  return (await programsDuring(action)).filter((name) => name === 'tc').length;
}

async function quietTime(
  perPass: number,
): Promise<Pick<ResidentRow, 'quietSeconds' | 'wakingAt' | 'wakeUps' | 'passes'>> {
  await untilQuiet();
  let last = await waits();
  const wakingAt: number[] = [];
  let wakeUps = 0;
  const looked = await tcDuring(async () => {
    for (let second = 0; second < QUIET_SECONDS; second++) {
      await sleep(1000);
      const now = await waits();
      const woke = wakeUpsBetween(last, now);
      if (woke > 0) wakingAt.push(second);
      wakeUps += woke;
      last = now;
    }
  });
  return { quietSeconds: QUIET_SECONDS, wakingAt, wakeUps, passes: looked / perPass };
}
