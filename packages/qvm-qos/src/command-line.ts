// Owns the command line: which commands and options there are. Each command is loaded when it is used.
import { Command, Option } from 'commander';
import { CLASSES, type TrafficClass } from '@qubes-qos/core/classes';
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { VERSION } from '@qubes-qos/host/version';
import type { Hooks } from './command-line-hooks.js';
import { addApply, addDiff, addExport } from './command-line-machine.js';
import { addPolicy } from './command-line-policy.js';
import { addRule } from './command-line-rule.js';
import type { LimitOptions } from './limit-options.js';
import type { UplinkOptions } from './commands/uplink.js';

/** Name of the program, as in every message. */
export const NAME = 'qvm-qos';

interface SelectionOptions {
  readonly all?: boolean;
  readonly exclude?: readonly string[];
}

/** Adds one command or a few that belong together. */
type Add = (program: Command, hooks: Hooks) => void;

/** The commands by name, in the order of the help. */
const COMMANDS: Readonly<Record<string, Add>> = {
  set: addSet,
  unset: addUnset,
  get: addGet,
  list: addList,
  uplink: addUplink,
  limit: addLimit,
  rule: addRule,
  enforce: addEnforce,
  apply: addApply,
  diff: addDiff,
  export: addExport,
  sync: addSync,
  policy: addPolicy,
  daemon: addDaemon,
};

/** Options that may stand before the command; `--socket` takes the word behind it. */
const FLAGS: readonly string[] = ['-v', '--verbose', '-q', '--quiet', '--json', '--force-root'];

/**
 * The commands for this command line; help goes to `writeOut`, and `onUsageError` hears whose usage it is before a
 * fault is thrown. A command that is known from the first words is built alone: the others take longer than it does.
 */
export function buildProgram(args: readonly string[], hooks: Hooks): Command {
  const { writeOut, onUsageError } = hooks;
  const only = commandOf(args);
  const program = new Command(NAME)
    .description('Set the traffic class of qubes, and the rate of the line.')
    .usage('[-v] [-q] [--json] COMMAND ...')
    .version(
      `${NAME} (Qubes QoS) ${VERSION}\nLicense: AGPL-3.0-or-later`,
      '--version',
      'show the version and exit',
    )
    .helpOption('-h, --help', 'show this help and exit')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .configureOutput({ writeOut, writeErr: () => undefined })
    .option('-v, --verbose', 'say what was done', (_, count: number) => count + 1, 0)
    .option('-q, --quiet', 'print no warnings and notes', (_, count: number) => count + 1, 0)
    .option('--json', 'print the result as one JSON object')
    .addOption(new Option('--socket <path>').hideHelp())
    .addOption(new Option('--force-root').hideHelp())
    .argument('[command]')
    .allowExcessArguments()
    .action((name: string | undefined) => {
      throw unknownCommand(program, name);
    });
  for (const add of only === undefined ? Object.values(COMMANDS) : [only]) add(program, hooks);
  for (const command of withSubcommands(program)) {
    command.exitOverride((error) => {
      onUsageError(command);
      throw error;
    });
  }
  return program;
}

/** The command, when the first words leave no doubt. */
function commandOf(args: readonly string[]): Add | undefined {
  const words = args.filter(
    (word, index) => !FLAGS.includes(word) && ![word, args[index - 1]].includes('--socket'),
  );
  const [name = ''] = words;
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

function addSet(program: Command, { run }: Pick<Hooks, 'run'>): void {
  withSelection(program.command('set'))
    .description('give qubes a class')
    .addHelpText('after', () => `\nClasses, best first:\n${CLASSES.map(describeClass).join('')}`)
    .usage('[options] {VM... | --all [--exclude VM]} CLASS')
    .argument('[words...]')
    .action(async (words: string[], options: SelectionOptions, command: Command) => {
      await run(command, async (call) => {
        const { setClass, splitClass } = await import('./commands/set.js');
        const { names, className } = splitClass(words);
        return setClass(call, { ...options, names }, className);
      });
    });
}

function addUnset(program: Command, { run }: Pick<Hooks, 'run'>): void {
  withSelection(program.command('unset'))
    .description('take the class from qubes')
    .usage('[options] {VM... | --all [--exclude VM]}')
    .argument('[names...]')
    .action(async (names: string[], options: SelectionOptions, command: Command) => {
      await run(command, async (call) => {
        const { unsetClass } = await import('./commands/set.js');
        return unsetClass(call, { ...options, names });
      });
    });
}

function addGet(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('get')
    .description('print the class of a qube; exit 1 when it has none')
    .usage('[options] VM')
    .argument('<VM>')
    .action(async (name: string, _: unknown, command: Command) => {
      await run(command, async (call) => (await import('./commands/get.js')).getClass(call, name));
    });
}

function addList(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('list')
    .description('list what is set, qube by qube')
    .usage('[options]')
    .option('--all', 'list every qube')
    .action(async ({ all = false }: { all?: boolean }, command: Command) => {
      await run(command, async (call) => (await import('./commands/list.js')).listPolicies(call, { all }));
    });
}

function addUplink(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('uplink')
    .description("show or set the rate of a NetVM's line; a RATE is such as 20mbit, or auto, or off")
    .usage('[options] NETVM [--up RATE] [--down RATE] [--overhead O] [--scheduler S] | NETVM --none')
    .argument('<NETVM>')
    .option('--up <RATE>', 'rate of the line towards the Internet')
    .option('--down <RATE>', 'rate of the line from the Internet')
    .option('--overhead <O>', 'what a packet costs on the line: bytes, or the name of a link layer')
    .option('--scheduler <S>', 'another scheduler than the best that the kernel can do')
    .option('--none', 'forget the line')
    .action(async (name: string, options: UplinkOptions, command: Command) => {
      await run(command, async (call) => (await import('./commands/uplink.js')).uplink(call, name, options));
    });
}

function addLimit(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('limit')
    .description('show or set the rate that a qube may have; a RATE is such as 5mbit, or off')
    .usage('[options] VM [--up RATE] [--down RATE] [--burst SIZE] | VM --none')
    .argument('<VM>')
    .option('--up <RATE>', 'what it may send')
    .option('--down <RATE>', 'what it may receive')
    .option('--burst <SIZE>', 'what it may send at once above --up, such as 256kb')
    .option('--none', 'take all limits from it')
    .action(async (name: string, options: LimitOptions & { none?: boolean }, command: Command) => {
      await run(command, async (call) => (await import('./commands/limit.js')).limit(call, name, options));
    });
}

function addEnforce(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('enforce')
    .description('show or set whether a NetVM believes dom0, or the packets of its clients')
    .usage('[options] NETVM [on | off | --none]')
    .argument('<NETVM>')
    .argument('[word]')
    .option('--none', 'forget what was said: it is turned on when dom0 tells the NetVM of a client')
    .action(
      async (name: string, word: string | undefined, { none }: { none?: boolean }, command: Command) => {
        await run(command, async (call) =>
          (await import('./commands/enforce.js')).enforce(call, name, {
            ...(word === undefined ? {} : { word }),
            ...(none === undefined ? {} : { none }),
          }),
        );
      },
    );
}

function addSync(program: Command, { run }: Pick<Hooks, 'run'>): void {
  program
    .command('sync')
    .description('tell all NetVMs all that they should know, and nothing else')
    .usage('[options]')
    .option('--dry-run', 'print what would be written, and write nothing')
    .action(async ({ dryRun = false }: { dryRun?: boolean }, command: Command) => {
      await run(command, async (call) => (await import('./commands/sync.js')).sync(call, { dryRun }));
    });
}

function addDaemon(program: Command, { runForever }: Pick<Hooks, 'runForever'>): void {
  program
    .command('daemon')
    .description('stay, and do what sync does at every change')
    .usage('[options]')
    .action(async (_: unknown, command: Command) => {
      await runForever(command, async (admin, signal) =>
        (await import('./daemon/run.js')).runDaemon(admin, signal),
      );
    });
}

function withSelection(command: Command): Command {
  return command
    .option('--all', 'all qubes but dom0')
    .option('--exclude <VM>', 'leave a qube out of --all', collect);
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

function unknownCommand(program: Command, name: string | undefined): QosError {
  const names = program.commands.map((command) => command.name());
  const expected = `expected ${names.slice(0, -1).join(', ')} or ${names.at(-1) ?? ''}`;
  return new QosError(
    'usage',
    name === undefined ? `no command: ${expected}` : `unknown command ${quote(name)}: ${expected}`,
  );
}

function describeClass({ name, description }: TrafficClass): string {
  return `  ${name.padEnd(4)} ${description}\n`;
}

function collect(name: string, names: readonly string[] = []): string[] {
  return [...names, name];
}
