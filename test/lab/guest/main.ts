// The program that the guest runs: does the one thing that the job asks for, and ends.
import { readFile } from 'node:fs/promises';
import { runDemo } from './demo.js';
import { runChecks } from './run-checks.js';

/** What the host asks of a guest. */
export type Job = { readonly run: 'checks' } | { readonly run: 'demo' };

async function main(): Promise<void> {
  const job = JSON.parse(await readFile('/lab/job.json', 'utf8')) as Job;
  switch (job.run) {
    case 'checks':
      return runChecks();
    case 'demo':
      return runDemo();
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
