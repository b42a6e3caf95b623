// Owns what the command lines of the agents have in common: usage errors, exit codes, and where messages go.
import { Command, CommanderError } from 'commander';
import { exitCodeOf, messageOf } from '@qubes-qos/core/errors';
import { log } from './journal.js';
import { VERSION } from './version.js';

/** A program without commands yet. Usage errors read `NAME: error: …`, as those of the qvm-* tools do. */
export function newProgram(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, `${name}: error: `)),
    });
}

/** Parses the arguments and runs the command; sets the exit code of the process: 2 usage, 1 failure, 0 done. */
export async function runProgram(program: Command): Promise<void> {
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed it already; its own code for a usage error is 1.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    log('error', `${program.name()}: error: ${messageOf(error)}`);
    process.exitCode = exitCodeOf(error);
  }
}
