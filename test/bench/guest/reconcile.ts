// Owns what a pass of the agent's unit costs, by the number of vifs.
import { record } from '../../lab/guest/record.js';
import { sleep } from '../../lab/guest/run.js';
import type { ReconcileRow } from '../figures.js';
import { busyMsDuring, programsDuring, startAgentWorld, untilQuiet, type AgentWorld } from './netvm-agent.js';

const VIFS = [1, 10, 100, 250] as const;
/** Passes of a kind, each after the one before has ended. */
const PASSES = 4;

/** Measures no-op and change for each number of vifs, of an agent that is awake and of one that rests. */
export async function runReconcile(): Promise<void> {
  const world = await startAgentWorld();
  for (const vifs of VIFS) {
    await world.addVifs(vifs);
    await world.stayAwake();
    await untilQuiet();
    await measureBoth(world, vifs, '', 2000 + 15 * vifs);
    await world.rest();
    await untilQuiet();
    await measureBoth(world, vifs, 'wake, ', 4000 + 40 * vifs);
  }
  await world.stop();
}

/** @param pause - milliseconds: longer than what is measured takes, and short enough for no slow pass to come between. */
async function measureBoth(world: AgentWorld, vifs: number, prefix: string, pause: number): Promise<void> {
  const tell = async (rateOf: (pass: number) => number): Promise<void> => {
    for (let pass = 1; pass <= PASSES; pass++) {
      world.tellRate(`${rateOf(pass)}mbit`);
      await sleep(pause);
    }
  };
  // The first passes are slower: V8 has not compiled them yet.
  await tell(() => 10);
  await measure(vifs, `${prefix}no-op`, () => tell(() => 10));
  await measure(vifs, `${prefix}change of the rate`, () => tell((pass) => 10 + (pass % PASSES)));
}

async function measure(vifs: number, pass: string, action: () => Promise<void>): Promise<void> {
  let programs: string[] = [];
  const ms = await busyMsDuring(async () => {
    programs = await programsDuring(action);
  });
  const row: ReconcileRow = {
    ...{ kind: 'reconcile', vifs, pass, processes: programs.length / PASSES, ms: ms / PASSES },
  };
  record(row);
}
