// The program that the guest of the bench runs: one part, as /lab/job.json names it.
import { readFile } from 'node:fs/promises';
import { SCENES } from '../scenes.js';
import { runReapply } from './reapply.js';
import { runReconcile } from './reconcile.js';
import { runResident } from './resident.js';
import { runScenes } from './run-scenes.js';
import { runStartUp } from './start-up.js';
import { runVifCost } from './vif-cost.js';

/** What the host asks of a guest. */
export interface BenchJob {
  readonly part: string;
}

const COSTS: Readonly<Record<string, () => Promise<void>>> = {
  vif: runVifCost,
  reapply: runReapply,
  reconcile: runReconcile,
  resident: runResident,
  start: runStartUp,
};

async function main(): Promise<void> {
  const { part } = JSON.parse(await readFile('/lab/job.json', 'utf8')) as BenchJob;
  const measure = part in SCENES ? () => runScenes(part) : COSTS[part];
  if (measure === undefined) throw new Error(`the bench has no part ${part}.`);
  await measure();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
