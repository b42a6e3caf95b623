// Owns one run of the program: what goes to which stream, and the exit code.
import { CommanderError, type Command } from 'commander';
import { exitCodeOf, messageOf } from '@qubes-qos/core/errors';
import { buildProgram, NAME } from './command-line.js';
import type { Admin, AdminCall } from './qubesd/admin.js';
import { reachAdmin } from './qubesd/reach.js';
import { renderJson, renderText } from './render.js';
import type { Result } from './results.js';

/** Where the program writes. */
export interface Output {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

type Forever = (
  command: Command,
  action: (admin: Admin, signal: AbortSignal) => Promise<void>,
) => Promise<void>;

/** What ends `daemon`. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

interface GlobalOptions {
  readonly verbose: number;
  readonly quiet: number;
  readonly json?: boolean;
  readonly socket?: string;
}

/** Runs one command line (without the program's own name) and returns the exit code. Never throws. */
export async function runProgram(args: readonly string[], output: Output): Promise<number> {
  let exitCode = 0;
  let current: Command | undefined;
  const run = async (command: Command, action: (call: AdminCall) => Promise<Result>): Promise<void> => {
    current = command;
    const options: GlobalOptions = command.optsWithGlobals();
    exitCode = print(await action((await reachAdmin(options.socket)).call), options, output);
  };
  const runForever: Forever = async (command, action) => {
    current = command;
    const stop = new AbortController();
    for (const signal of STOP_SIGNALS) process.once(signal, () => stop.abort());
    await action(await reachAdmin(command.optsWithGlobals<GlobalOptions>().socket), stop.signal);
  };
  const program = buildProgram(args, {
    run,
    runForever,
    writeOut: output.stdout,
    onUsageError: (command) => (current = command),
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    return printError(error, current ?? program, output);
  }
}

function print(result: Result, { json = false, verbose, quiet }: GlobalOptions, output: Output): number {
  const rendered = json ? renderJson(result) : renderText(result);
  output.stdout(rendered.stdout);
  const say = (kind: string, lines: readonly string[]): void => {
    for (const line of lines) output.stderr(`${NAME}: ${kind}${line}\n`);
  };
  if (verbose > quiet) say('', rendered.details);
  if (verbose >= quiet) {
    say('warning: ', rendered.warnings);
    say('', rendered.notes);
  }
  say('error: ', rendered.errors);
  return rendered.exitCode;
}

/** As the qvm-* tools: the usage line comes with exit code 2 only. */
function printError(error: unknown, command: Command, { stderr }: Output): number {
  const exitCode = error instanceof CommanderError ? 2 : exitCodeOf(error);
  if (exitCode === 2) {
    stderr(`usage: ${nameOf(command)} ${command.usage()}\n`);
  }
  stderr(`${NAME}: error: ${messageOf(error).replace(/^error: /, '')}\n`);
  return exitCode;
}

function nameOf(command: Command): string {
  return command.parent === null ? NAME : `${nameOf(command.parent)} ${command.name()}`;
}
