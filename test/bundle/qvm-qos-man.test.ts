import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLASSES } from '@qubes-qos/core/classes';

const PAGES = new URL('snapshots/qvm-qos/', import.meta.url);
const MANUAL = readFileSync(new URL('../../docs/man/qvm-qos.rst', import.meta.url), 'utf8');
const PRINTED = readdirSync(PAGES).map((file) => readFileSync(new URL(file, PAGES), 'utf8'));

const examples = [...MANUAL.matchAll(/^\.\. code-block:: console\n\n((?: {3}.*\n|\n)+)/gm)].map(
  ([, block = '']) =>
    block
      .split('\n')
      .map((line) => line.slice(3))
      .join('\n')
      .trim(),
);

describe('the manual page', () => {
  test('has examples', () => {
    expect(examples.length).toBeGreaterThan(4);
  });

  test.each(examples)('shows what was really printed: %s', (example) => {
    expect(PRINTED.filter((page) => page.includes(example))).not.toEqual([]);
  });

  test('describes every option and command that --help names', () => {
    const help = readFileSync(new URL('help.md', PAGES), 'utf8');
    const options = new Set([...help.matchAll(/--[a-z]+/g)].map(([option]) => option));
    for (const option of options)
      expect(MANUAL).toMatch(new RegExp(`^\\.\\. option:: (.*, )?${option}\\b`, 'm'));
    const [, commands = ''] = /^Commands:\n((?: {2}.*\n)+)/m.exec(help) ?? [];
    const names = [...commands.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) expect(MANUAL).toMatch(new RegExp(`^${name}\n\\^+$`, 'm'));
  });

  test('has the class table as it is', () => {
    const rows = [...MANUAL.matchAll(/^([a-z]+\d?) {2,}(.+)$/gm)].map(([, name, description]) => ({
      name,
      description,
    }));
    expect(rows).toEqual(CLASSES.map(({ name, description }) => ({ name, description })));
  });
});
