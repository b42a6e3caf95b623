import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseClassPolicy } from '@qubes-qos/core/policy';
import { describeEnforced } from '@qubes-qos/mangle-agent/enforce';
import { readLastValid, rememberLastValid } from '@qubes-qos/mangle-agent/last-valid';
import { renderStatus } from '@qubes-qos/mangle-agent/status';

const invalid = { state: 'invalid', reason: 'found "x", expected ef' } as const;

describe('the journal tells the four kinds of policy apart', () => {
  test.each([
    [
      { policy: { state: 'class', className: 'cs1' }, inForce: 'cs1', isChanged: true, isDecided: true },
      '/vm-config/dscp is cs1: every packet of this qube leaves with DSCP 8.',
    ],
    [
      { policy: { state: 'absent' }, inForce: 'none', isChanged: false, isDecided: true },
      '/vm-config/dscp is absent: no marks (as before).',
    ],
    [
      { policy: { state: 'empty' }, inForce: 'none', isChanged: true, isDecided: true },
      '/vm-config/dscp is empty: no marks.',
    ],
    [
      { policy: invalid, inForce: 'ef', isChanged: false, isDecided: true },
      '/vm-config/dscp is invalid, found "x", expected ef; the last valid policy of this boot stays: every packet of this qube leaves with DSCP 46 (as before). Set a class with qvm-features in dom0.',
    ],
    [
      { policy: invalid, inForce: 'altered', isChanged: false, isDecided: false },
      '/vm-config/dscp is invalid, found "x", expected ef; there was no valid one since boot: our nft table is there, altered by something else (as before). Set a class with qvm-features in dom0.',
    ],
  ] as const)('%j', (enforced, sentence) => {
    expect(describeEnforced({ path: '/vm-config/dscp', ...enforced })).toBe(sentence);
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
    for (const policy of ['ef', 'none', 'cs0'] as const) {
      await rememberLastValid(file, policy);
      expect(await readLastValid(file)).toBe(policy);
    }
    expect(await readFile(file, 'utf8')).toBe('cs0\n');
  });

  test.each(['', 'EF', 'ef; flush ruleset', '\0'])('a file with %j is not believed', async (content) => {
    await rememberLastValid(file, 'ef');
    await writeFile(file, content);
    expect(await readLastValid(file)).toBeUndefined();
  });

  test('a place that cannot be written is a warning, no failure', async () => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await writeFile(join(dir, 'run'), '');
    await rememberLastValid(file, 'ef');
    expect(stderr.mock.calls.join()).toContain('cannot remember the valid policy in');
    stderr.mockRestore();
  });
});
