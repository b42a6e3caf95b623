// Owns what the resident agent holds after many passes, and how often it wakes when nothing happens.
import { record } from '../../lab/guest/record.js';
import { sleep } from '../../lab/guest/run.js';
import type { ResidentRow } from '../figures.js';
import { forks, privateDirty, programsDuring, startAgentWorld, untilQuiet, waits } from './netvm-agent.js';

const VIFS = 3;
/** After so many passes its memory is read. */
const MILESTONES = [0, 100, 300, 1000] as const;
/** Longer than a pass takes. */
const APART_MS = 400;
const QUIET_SECONDS = 300;

/** Measures memory over a thousand passes, then a quiet time. */
export async function runResident(): Promise<void> {
  const world = await startAgentWorld();
  await world.addVifs(VIFS);
  await untilQuiet();
  const perPass = await forksOf(async () => {
    world.tellRate('10mbit');
    await sleep(2000);
  });
  const memory: { passes: number; bytes: number }[] = [];
  let passes = 0;
  for (const milestone of MILESTONES) {
    const before = forks();
    while (passes + Math.round((forks() - before) / perPass) < milestone) {
      world.tellRate('10mbit');
      await sleep(APART_MS);
    }
    passes += Math.round((forks() - before) / perPass);
    memory.push({ passes, bytes: privateDirty(world.pid) });
  }
  record(await quietTime(world.pid, perPass, memory));
  await world.agent.stop();
}

async function quietTime(
  pid: string,
  perPass: number,
  memory: ResidentRow['privateDirty'],
): Promise<ResidentRow> {
  await untilQuiet();
  const before = waits(pid);
  let last = before;
  const wakingAt: number[] = [];
  const programs = await programsDuring(async () => {
    for (let second = 0; second < QUIET_SECONDS; second++) {
      await sleep(1000);
      const now = waits(pid);
      if (now !== last) wakingAt.push(second);
      last = now;
    }
  });
  return {
    ...{ kind: 'resident', privateDirty: memory, quietSeconds: QUIET_SECONDS, wakingAt },
    ...{ wakeUps: last - before, passes: programs.length / perPass },
  };
}

async function forksOf(action: () => Promise<void>): Promise<number> {
  const before = forks();
  await action();
  return forks() - before;
}
