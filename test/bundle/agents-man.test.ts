// The manual pages of the agents against the agents: commands, options, settings, and examples that were really printed.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { CLASS_NAMES, CLASSES } from '@qubes-qos/core/classes';
import { LEAF_KEY_NAMES } from '@qubes-qos/core/tree/leaf';
import { TREE_KEY_NAMES } from '@qubes-qos/core/tree/config';
import { QosError } from '@qubes-qos/core/errors';
import { planTc } from '@qubes-qos/tc-agent/plan';
import { printed, printedText } from '@qubes-qos/tc-agent/print';
import { checkFiles } from '@qubes-qos/tc-agent/settings';
import { parse } from 'smol-toml';
import {
  mergeConfig,
  parseFileSettings,
  type FileSettings,
  type LineSettings,
} from '@qubes-qos/core/tc-config';
import { VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from '@qubes-qos/core/vm-config';
import { readTomlFiles, SETTINGS_DIRECTORIES, type TomlFile } from '@qubes-qos/host/toml-files';
import { POLICY_PATH, RULES_PATH } from '@qubes-qos/mangle-agent/said';
import { LAST_VALID_FILE } from '@qubes-qos/mangle-agent/last-valid';
import { MANGLE_TABLE } from '@qubes-qos/mangle-agent/plan';

const AGENTS = ['qubes-qos-mangle', 'qubes-qos-tc'] as const;

/** Does not compile while a key of the schema is missing, or one is there that the schema does not know. */
const LINE_KEYS: Readonly<Record<keyof LineSettings, true>> = {
  up: true,
  down: true,
  use: true,
  scheduler: true,
  tree: true,
  overhead: true,
  dscp_out: true,
  ef_share: true,
  ef: true,
  police: true,
};
const FILE_KEYS: Readonly<Record<Exclude<keyof FileSettings, 'line' | 'interface'>, true>> = {
  takeover: true,
  local: true,
  values: true,
  alias: true,
  group: true,
  tree: true,
};

const PAGES = new URL('snapshots/agents/', import.meta.url);

describe.each(AGENTS)('the manual page of %s', (agent) => {
  const manual = manualOf(agent);

  test('describes every command that --help names, and no other', async () => {
    const described = [...manual.matchAll(/^([a-z]+)\n\^+$/gm)].map(([, name]) => name);
    expect(described).toEqual(await commandsOf(agent));
    // Once in the synopsis, once where the command is described.
    const usage = [...manual.matchAll(new RegExp(`^\\| :command:\`${agent}\` ([a-z]+)`, 'gm'))];
    expect(usage.map(([, name]) => name)).toEqual([...described, ...described]);
  });

  test('describes every option, and says of each command which it takes', async () => {
    for (const command of await commandsOf(agent)) {
      const help = await helpOf(agent, command);
      const usage = [...manual.matchAll(new RegExp(`^\\| :command:\`${agent}\` ${command}(.*)$`, 'gm'))];
      const options = optionsIn(help).filter((option) => option !== '--help');
      for (const [, taken = ''] of usage) expect(optionsIn(taken)).toEqual(options);
    }
    const options = [...manual.matchAll(/^\.\. option:: (.*)$/gm)].flatMap(([, text = '']) =>
      optionsIn(text),
    );
    expect(new Set(options)).toEqual(
      new Set(
        agent === 'qubes-qos-tc'
          ? ['--help', '--version', '--debug', '--json']
          : ['--help', '--version', '--json'],
      ),
    );
  });

  test('shows what was really printed', () => {
    const printed = readFileSync(new URL(`${agent}.txt`, PAGES), 'utf8');
    const examples = examplesIn(manual, 'console');
    expect(examples.length).toBeGreaterThan(3);
    for (const example of examples) expect(printed).toContain(example);
  });

  test('refers only to commands that there are', async () => {
    const known = new Set(await commandsOf(agent));
    for (const [, command = ''] of manual.matchAll(new RegExp(`\`\`${agent} ([a-z]+)`, 'g')))
      expect(known).toContain(command);
  });
});

describe('names in the manual pages', () => {
  test('what qubes-qos-mangle owns and obeys', () => {
    const manual = manualOf('qubes-qos-mangle');
    const { family, name } = MANGLE_TABLE;
    for (const text of [`table ${family} ${name}`, LAST_VALID_FILE, POLICY_PATH, RULES_PATH])
      expect(manual).toContain(`\`\`${text}\`\``);
    const [, classes = ''] = /is the policy\. It is one of ([^:]*), exactly so:/.exec(manual) ?? [];
    expect([...classes.matchAll(/``(\w+)``/g)].map(([, word]) => word)).toEqual(CLASS_NAMES);
  });

  test('what qubes-qos-tc reads', () => {
    const manual = manualOf('qubes-qos-tc');
    const files = SETTINGS_DIRECTORIES.map((directory) => `\`\`${directory}/*.toml\`\``);
    expect(manual).toContain(`\n${files.join(', ')}\n`);
    expect(manual).toContain(`\`\`${VM_CONFIG_FEATURE_PREFIX}${VM_CONFIG.uplink}\`\``);
  });
});

describe('the manual page of qubes-qos-trees', () => {
  const manual = manualOf('qubes-qos-trees');

  test('has only settings that are accepted, each alone', () => {
    const examples = examplesIn(manual, 'toml');
    expect(examples.length).toBeGreaterThan(1);
    for (const text of examples)
      expect(() =>
        checkFiles([{ source: 'example', content: parse(text), text }], { 'qos-uplink': 'up=20mbit' }),
      ).not.toThrow();
  });

  const file = (text: string): TomlFile => ({
    ...{ source: '/rw/config/qubes-qos/tc.toml', content: parse(text), text },
  });

  test('shows what its first settings make print', () => {
    const [settings = ''] = examplesIn(manual, 'toml');
    const [example = ''] = examplesIn(manual, 'console');
    const config = mergeConfig(checkFiles([file(settings)], {}), { 'qos-uplink': 'up=20mbit' });
    const plans = planTc({
      links: [{ ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 }],
      routes: [{ dst: 'default', dev: 'ens6', metric: 0, direct: false }],
      config,
      missing: new Set(),
    });
    const text = printedText(config, printed(config, plans));
    expect(example).toBe(`root@sys-net# qubes-qos-tc print\n${text}`);
  });

  test('shows what was really printed', () => {
    const printed = readFileSync(new URL('qubes-qos-trees.txt', PAGES), 'utf8');
    const examples = examplesIn(manual, 'console');
    expect(examples.length).toBeGreaterThan(2);
    for (const example of examples) expect(printed).toContain(example);
  });

  test('shows what is said of its first settings with a fault', () => {
    const [settings = ''] = examplesIn(manual, 'toml');
    const [, sentence = ''] = /^qubes-qos-tc: (.*160 %.*)$/m.exec(manual.replaceAll(/^ {3}/gm, '')) ?? [];
    const wrong = settings.replace('60%', '160%');
    expect(() => checkFiles([file(wrong)], {})).toThrow(new QosError('config', sentence));
  });

  test('describes every key of a tree, of a class and of each leaf', () => {
    const described = new Set([...manual.matchAll(/``([a-z][\w-]*)``/g)].map(([, key]) => key));
    for (const key of [...TREE_KEY_NAMES, ...LEAF_KEY_NAMES]) expect(described).toContain(key);
  });
});

describe('the settings in the manual page of qubes-qos-tc', () => {
  const manual = manualOf('qubes-qos-tc');

  test('are all the keys that the schema knows, and no other', () => {
    const described = [...manual.matchAll(/^``([a-z_]+)``$/gm)].map(([, key]) => key);
    expect(described).toEqual([...Object.keys(LINE_KEYS), ...Object.keys(FILE_KEYS)]);
  });

  test('are accepted as the example shows them', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'settings-'));
    const examples = examplesIn(manual, 'toml');
    for (const [position, example] of examples.entries())
      await writeFile(join(directory, `${position}.toml`), example);
    const files = await readTomlFiles([directory]);
    await rm(directory, { recursive: true });
    expect(files.length).toBeGreaterThan(0);
    for (const { source, content } of files) expect(() => parseFileSettings(source, content)).not.toThrow();
  });

  test('has the class table as it is', () => {
    const rows = [...manual.matchAll(/^(ef|cs\d) +(\d+) +(.+)$/gm)].map(([, name, dscp, share]) => [
      name,
      Number(dscp),
      share,
    ]);
    expect(rows).toEqual(
      CLASSES.map(({ name, dscp, share }) => [name, dscp, share === 0 ? 'first' : `${share} of 10`]),
    );
    expect(CLASSES.reduce((sum, { share }) => sum + share, 0)).toBe(10);
  });
});

function manualOf(name: string): string {
  return readFileSync(new URL(`../../docs/man/${name}.rst`, import.meta.url), 'utf8');
}

function examplesIn(manual: string, language: string): string[] {
  const block = new RegExp(`^\\.\\. code-block:: ${language}\\n\\n((?: {3}.*\\n|\\n)+)`, 'gm');
  return [...manual.matchAll(block)].map(([, text = '']) => text.replace(/^ {3}/gm, '').trim());
}

async function helpOf(agent: string, ...args: string[]): Promise<string> {
  return (await execa(`dist/${agent}`, [...args, '--help'])).stdout;
}

async function commandsOf(agent: string): Promise<string[]> {
  const [, list = ''] = (await helpOf(agent)).split('\nCommands:\n');
  const names = [...list.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(5);
  return names.filter((name) => name !== 'help');
}

function optionsIn(text: string): string[] {
  return [...text.matchAll(/--[a-z]+/g)].map(([option]) => option);
}
