import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseClassPolicy, parseRulesPolicy } from '@qubes-qos/core/policy';
import { parseRules } from '@qubes-qos/core/qos-rules';
import { describeEnforced } from '@qubes-qos/mangle-agent/describe';
import { readLastValid, rememberLastValid } from '@qubes-qos/mangle-agent/last-valid';
import { decide, type Said } from '@qubes-qos/mangle-agent/said';
import { renderStatus } from '@qubes-qos/mangle-agent/status';

const said = {
  ...{ path: '/vm-config/dscp', policy: { state: 'absent' } },
  ...{ rulesPath: '/vm-config/qos-rules', rules: { state: 'absent' } },
} as const satisfies Said;

const only = <Name extends string>(className: Name) => ({ className, hasRules: false });
const rules = (value: string) => parseRulesPolicy(Buffer.from(value));

const invalid = { state: 'invalid', reason: 'found "x", expected ef' } as const;

describe('the journal tells the four kinds of policy apart', () => {
  test.each([
    [
      {
        policy: { state: 'class', className: 'cs1' },
        inForce: only('cs1'),
        isChanged: true,
        isDecided: true,
      },
      '/vm-config/dscp is cs1: every packet of this qube leaves with DSCP 8.',
    ],
    [
      { policy: { state: 'absent' }, inForce: only('none'), isChanged: false, isDecided: true },
      '/vm-config/dscp is absent: no marks (as before).',
    ],
    [
      { policy: { state: 'empty' }, inForce: only('none'), isChanged: true, isDecided: true },
      '/vm-config/dscp is empty: no marks.',
    ],
    [
      { policy: invalid, inForce: only('ef'), isChanged: false, isDecided: true },
      '/vm-config/dscp is invalid, found "x", expected ef; the last valid policy of this boot stays: every packet of this qube leaves with DSCP 46 (as before). Set a class with qvm-features in dom0.',
    ],
    [
      { policy: invalid, inForce: 'altered', isChanged: false, isDecided: false },
      '/vm-config/dscp is invalid, found "x", expected ef; there was no valid one since boot: our nft table is there, altered by something else (as before). Set a class with qvm-features in dom0.',
    ],
  ] as const)('%j', (enforced, sentence) => {
    expect(describeEnforced({ ...said, leftOut: [], ...enforced })).toBe(sentence);
  });
});

describe('the journal tells what becomes of rules', () => {
  test.each([
    [
      { rules: rules('user:backup -> cs1'), inForce: { className: 'none', hasRules: true } },
      '/vm-config/dscp is absent, /vm-config/qos-rules has 1 rule: packets that a rule matches are marked, others leave as they are.',
    ],
    [
      {
        policy: { state: 'class', className: 'ef' },
        rules: rules('user:backup -> cs0; tcp/22 -> cs5'),
        inForce: { className: 'ef', hasRules: true },
      },
      '/vm-config/dscp is ef, /vm-config/qos-rules has 2 rules: every packet of this qube leaves with DSCP 46, but those that a rule matches.',
    ],
    [
      { rules: rules(''), inForce: only('none') },
      '/vm-config/dscp is absent, /vm-config/qos-rules is empty: no marks.',
    ],
    [
      { rules: rules('user:backup'), inForce: only('none') },
      '/vm-config/dscp is absent, /vm-config/qos-rules is invalid, rule 1, "user:backup": expected MATCH,… -> CLASS, as in user:backup -> cs1; the last valid rules of this boot stay, if there were any: no marks. Correct the rules in dom0.',
    ],
  ] as const)('%#', (enforced, sentence) => {
    const one = { ...said, leftOut: [], isChanged: true, isDecided: true, ...enforced };
    expect(describeEnforced(one)).toBe(sentence);
  });
});

describe('what is invalid keeps what was valid, class and rules each for itself', () => {
  const backup = parseRules('user:backup -> cs1').rules;
  const last = { className: 'ef', rules: backup } as const;
  const cs1 = { state: 'class', className: 'cs1' } as const;

  test.each([
    ['a class alone', { policy: cs1 }, last, { className: 'cs1', rules: [] }],
    ['rules alone', { rules: rules('user:backup -> cs1') }, undefined, { className: 'none', rules: backup }],
    ['an invalid class', { policy: invalid }, last, { className: 'ef', rules: [] }],
    ['invalid rules', { policy: cs1, rules: rules('x') }, last, { className: 'cs1', rules: backup }],
    ['empty rules', { policy: cs1, rules: rules('') }, last, { className: 'cs1', rules: [] }],
    [
      'invalid rules, none before',
      { policy: cs1, rules: rules('x') },
      undefined,
      { className: 'cs1', rules: [] },
    ],
    ['an invalid class, none before', { policy: invalid, rules: rules('tcp -> ef') }, undefined, undefined],
  ] as const)('%s', (_, one, before, decided) => {
    expect(decide({ ...said, ...one }, before)).toEqual(decided);
  });
});

test('status of an invalid policy in a qube whose kernel cannot be read', () => {
  const status = {
    version: 1,
    policy: parseClassPolicy(Buffer.from('x')),
    lastValid: null,
    inForce: null,
    isInSync: null,
    problems: ['nft is missing'],
  } as const;
  expect(renderStatus(status)).toBe(`policy           invalid
in force         unknown
as it should be  unknown
problem          nft is missing
`);
});

describe('the last valid policy of this boot', () => {
  let dir: string;
  let file: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'last-valid-'));
    file = join(dir, 'run', 'class');
  });

  afterEach(() => rm(dir, { recursive: true }));

  test('is remembered, `none` too', async () => {
    expect(await readLastValid(file)).toBeUndefined();
    for (const className of ['ef', 'none', 'cs0'] as const) {
      await rememberLastValid(file, { className, rules: [] });
      expect(await readLastValid(file)).toEqual({ className, rules: [] });
    }
    expect(await readFile(file, 'utf8')).toBe('cs0\n');
  });

  test('is remembered with its rules', async () => {
    const policy = {
      className: 'none',
      rules: parseRules('user:a,udp/53 -> ef; to:10.0.0.0/8 -> cs1').rules,
    } as const;
    await rememberLastValid(file, policy);
    expect(await readLastValid(file)).toEqual(policy);
    expect(await readFile(file, 'utf8')).toBe('none\nuser:a,udp/53 -> ef; to:10.0.0.0/8 -> cs1\n');
  });

  test('as a version without rules wrote it is read', async () => {
    await rememberLastValid(file, { className: 'ef', rules: [] });
    await writeFile(file, 'cs5\n');
    expect(await readLastValid(file)).toEqual({ className: 'cs5', rules: [] });
  });

  test.each(['', 'EF', 'ef; flush ruleset', '\0', 'ef\nflush ruleset', 'ef\nudp -> ef\nudp -> ef'])(
    'a file with %j is not believed',
    async (content) => {
      await rememberLastValid(file, { className: 'ef', rules: [] });
      await writeFile(file, content);
      expect(await readLastValid(file)).toBeUndefined();
    },
  );

  test('a place that cannot be written is a warning, no failure', async () => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await writeFile(join(dir, 'run'), '');
    await rememberLastValid(file, { className: 'ef', rules: [] });
    expect(stderr.mock.calls.join()).toContain('cannot remember the valid policy in');
    stderr.mockRestore();
  });
});
