// Owns the command line of `qvm-qos rule`.
import type { Command } from 'commander';
import type { Hooks } from './command-line-hooks.js';

/** Adds the command; what it does is loaded when it is used. */
export function addRule(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('rule')
    .description('rules inside a qube: list them, add one, delete one, or all')
    .usage('[options] VM [list | add RULE [--before N] | del {N | RULE} | reset]')
    .argument('<VM>')
    .argument('[action]')
    .argument('[words...]')
    .option('--before <N>', 'add it before the rule of this number, not at the end')
    .addHelpText(
      'after',
      () => "\nA RULE is MATCH[,MATCH ...] -> CLASS in quotes, such as 'user:backup -> cs1'.",
    )
    .action(
      async (
        name: string,
        action: string | undefined,
        words: string[],
        options: { before?: string },
        command: Command,
      ) => {
        await run(command, async (call) =>
          (await import('./commands/rule.js')).rule(call, name, { action, words, ...options }),
        );
      },
    );
}
