// Owns the command line of qubes-qos-tc.
import { newProgram, runProgram } from '@qubes-qos/host/command-line';
import { listenToRuns } from '@qubes-qos/host/process';
import type { Command } from 'commander';
import type { Outcome } from './commands.js';

const PROGRAM = 'qubes-qos-tc';

/** How a command ends when it is stopped by a signal that it was meant to be stopped by. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

interface ShowOptions {
  readonly json?: boolean;
}

interface ActOptions {
  readonly debug?: boolean;
}

const DEBUG = ['--debug', 'show every command that is run'] as const;

// The commands are loaded when one is used: --help and usage errors need none of them.
function program(): Command {
  const root = newProgram(
    PROGRAM,
    'Queues the traffic of a NetVM in five classes: ef, cs5, cs0, cs2, cs1, best first.',
  );
  root.command('run').description('stay and keep every interface as it should be').action(run);
  root
    .command('apply')
    .description('make every interface as it should be, once')
    .option(...DEBUG)
    .action(async (options: ActOptions) => {
      showRuns(options);
      report(await (await import('./commands.js')).apply());
    });
  root
    .command('print')
    .description('print the settings and the tc script; change nothing')
    .option('--json', 'as JSON')
    .action(async ({ json = false }: ShowOptions) =>
      report(await (await import('./commands.js')).print(json)),
    );
  root
    .command('check')
    .description('say whether the settings are valid and in force')
    .option('--json', 'as JSON')
    .action(async ({ json = false }: ShowOptions) =>
      report(await (await import('./commands.js')).check(json)),
    );
  root
    .command('status')
    .description('show what is in force, why, and the counters of each class')
    .option('--json', 'as JSON')
    .action(async ({ json = false }: ShowOptions) =>
      report(await (await import('./commands.js')).status(json)),
    );
  root
    .command('cleanup')
    .description('remove everything that qubes-qos-tc put in place')
    .option(...DEBUG)
    .action(async (options: ActOptions) => {
      showRuns(options);
      report(await (await import('./commands.js')).cleanup());
    });
  return root;
}

function showRuns({ debug = false }: ActOptions): void {
  if (!debug) return;
  listenToRuns((argv, stdin) => {
    const input = stdin.split('\n').filter((line) => line !== '');
    for (const line of [argv.join(' '), ...input.map((one) => `  ${one}`)])
      process.stderr.write(`+ ${line}\n`);
  });
}

async function run(): Promise<void> {
  const stop = new AbortController();
  for (const signal of STOP_SIGNALS) process.once(signal, () => stop.abort());
  const { runAgent } = await import('./run.js');
  await runAgent(stop.signal);
}

function report({ stdout, complaints, exitCode }: Outcome): void {
  for (const complaint of complaints) process.stderr.write(`${PROGRAM}: ${complaint}\n`);
  if (stdout !== '') process.stdout.write(`${stdout}\n`);
  process.exitCode = exitCode;
}

void runProgram(program());
