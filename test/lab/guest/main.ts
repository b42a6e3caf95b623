// The program that the guest runs: does the one thing that the job asks for, and ends.
import { readFile } from 'node:fs/promises';
import { runDemo } from './demo.js';
import { runChecks } from './run-checks.js';
import { runExec, runShell, type Terminal } from './shell.js';

/** What the host asks of a guest. */
export type Job =
  | { readonly run: 'checks' | 'demo' }
  | { readonly run: 'shell'; readonly terminal: Terminal }
  | { readonly run: 'exec'; readonly qube: string; readonly argv: readonly string[] };

async function main(): Promise<void> {
  const job = JSON.parse(await readFile('/lab/job.json', 'utf8')) as Job;
  switch (job.run) {
    case 'checks':
      return runChecks();
    case 'demo':
      return runDemo();
    case 'shell':
      return runShell(job.terminal);
    case 'exec':
      return runExec(job.qube, job.argv);
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
