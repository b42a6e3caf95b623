// Owns the command line of `qvm-qos apply`, `diff` and `export`.
import type { Command } from 'commander';
import type { Hooks } from './command-line-hooks.js';
import type { FileOptions } from './commands/machine.js';

const KEEP = ['--keep', 'leave what the file does not name as it is'] as const;

/** Adds `apply`; what it does is loaded when it is used, as with the others. */
export function addApply(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('apply')
    .description('make the machine what a file says, whole or not at all')
    .usage('[options] FILE')
    .argument('<FILE>')
    .option(...KEEP)
    .action(async (file: string, options: FileOptions, command: Command) => {
      await run(command, async (call) =>
        (await import('./commands/machine.js')).applyFile(call, file, options),
      );
    });
}

/** Adds `diff`. */
export function addDiff(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('diff')
    .description('print what apply would change; exit 1 when that is something')
    .usage('[options] FILE')
    .argument('<FILE>')
    .option(...KEEP)
    .action(async (file: string, options: FileOptions, command: Command) => {
      await run(command, async (call) =>
        (await import('./commands/machine.js')).diffFile(call, file, options),
      );
    });
}

/** Adds `export`. */
export function addExport(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('export')
    .description('print the file that makes a machine what this one is')
    .usage('[options]')
    .action(async (_: unknown, command: Command) => {
      await run(command, async (call) => (await import('./commands/machine.js')).exportFile(call));
    });
}
