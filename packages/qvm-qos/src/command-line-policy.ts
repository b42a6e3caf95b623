// Owns the command line of `qvm-qos policy`.
import type { Command } from 'commander';
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import type { Hooks } from './command-line-hooks.js';
import type { RuleOptions } from './policy-options.js';

interface TargetOptions {
  readonly tag?: readonly string[];
}

/** Adds the command with its own commands; what they do is loaded when one is used. */
export function addPolicy(program: Command, { run }: Pick<Hooks, 'run'>): void {
  const policy = program
    .command('policy')
    .description('policies with a name, for many qubes at once')
    .usage('[options] {list | show | create | update | delete | attach | detach} ...')
    .helpCommand(false)
    .argument('[command]')
    .allowExcessArguments()
    .action(async (word: string | undefined, _: unknown, command: Command) => {
      const what = word === undefined ? 'no command' : `unknown command ${quote(word)}`;
      const message = `${what}: expected list, show, create, update, delete, attach or detach`;
      await run(command, () => Promise.reject(new QosError('usage', message)));
    });
  policy
    .command('list')
    .description('list all policies')
    .usage('[options]')
    .action(async (_: unknown, command: Command) => {
      await run(command, async (call) => (await import('./commands/policy.js')).showPolicies(call));
    });
  policy
    .command('show')
    .description('show a policy')
    .usage('[options] NAME')
    .argument('<NAME>')
    .action(async (name: string, _: unknown, command: Command) => {
      await run(command, async (call) => (await import('./commands/policy.js')).showPolicies(call, name));
    });
  withRules(policy.command('create'))
    .description('make a policy')
    .usage('[options] NAME [--class CLASS] [--up RATE] [--down RATE] [--burst SIZE] [--rule RULE]')
    .argument('<NAME>')
    .action(async (name: string, options: RuleOptions, command: Command) => {
      await run(command, async (call) =>
        (await import('./commands/policy.js')).createPolicy(call, name, options),
      );
    });
  withRules(policy.command('update'))
    .option('--no-rules', 'take all rules from it')
    .description('change rules of a policy; what is not named stays, off takes a rule away')
    .usage(
      '[options] NAME {[--class CLASS] [--up RATE] [--down RATE] [--burst SIZE] [--rule RULE] | --no-rules}',
    )
    .argument('<NAME>')
    .action(async (name: string, options: RuleOptions, command: Command) => {
      await run(command, async (call) =>
        (await import('./commands/policy.js')).updatePolicy(call, name, options),
      );
    });
  policy
    .command('delete')
    .description('take a policy from everything that has it, and remove it')
    .usage('[options] NAME')
    .argument('<NAME>')
    .action(async (name: string, _: unknown, command: Command) => {
      await run(command, async (call) => (await import('./commands/policy.js')).deletePolicy(call, name));
    });
  withTargets(policy.command('attach'))
    .description('give a policy to qubes, to all clients of a NetVM, or to all qubes with a tag')
    .action(async (name: string, names: string[], { tag }: TargetOptions, command: Command) => {
      await run(command, async (call) =>
        (await import('./commands/policy.js')).attachPolicy(call, name, {
          names,
          ...(tag === undefined ? {} : { tags: tag }),
        }),
      );
    });
  withTargets(policy.command('detach'))
    .description('take a policy away again')
    .action(async (name: string, names: string[], { tag }: TargetOptions, command: Command) => {
      await run(command, async (call) =>
        (await import('./commands/policy.js')).detachPolicy(call, name, {
          names,
          ...(tag === undefined ? {} : { tags: tag }),
        }),
      );
    });
}

function withRules(command: Command): Command {
  return command
    .option('--class <CLASS>', 'the class of the qubes')
    .option('--up <RATE>', 'what each may send')
    .option('--down <RATE>', 'what each may receive')
    .option('--burst <SIZE>', 'what each may send at once above --up')
    .option('--rule <RULE>', 'a rule inside each qube; may be given more than once, in order', collect);
}

function withTargets(command: Command): Command {
  return command
    .usage('[options] NAME {VM... | --tag TAG}')
    .argument('<NAME>')
    .argument('[names...]')
    .option('--tag <TAG>', 'all qubes with this tag; may be given more than once', collect);
}

function collect(word: string, words: readonly string[] = []): string[] {
  return [...words, word];
}
