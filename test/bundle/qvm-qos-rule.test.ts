import { afterEach, describe, expect, test } from 'vitest';
import { Dom0, type Run } from './dom0.js';
import { expectPage } from './page.js';

let dom0: Dom0;

afterEach(() => dom0.close());

async function boot(): Promise<void> {
  dom0 = await Dom0.boot();
}

async function rule(...words: readonly string[]): Promise<Run> {
  return dom0.type(['rule', ...words]);
}

const stored = (): string | undefined => dom0.vmConfig('work', 'qos-rules');
const entry = (): string | undefined => dom0.vmConfig('sys-firewall', 'qos.10.137.0.5');

describe('pages of documentation', () => {
  test('rules inside a qube', async () => {
    await boot();
    await dom0.type(['uplink', 'sys-net', '--up', '20mbit']);
    await dom0.type(['set', 'work', 'ef']);
    dom0.page('');
    await expectPage(dom0, 'Rules inside a qube', 'rule', [
      'rule work',
      ['rule', 'work', 'add', 'user:backup -> cs1'],
      ['-v', 'rule', 'work', 'add', 'udp/3478-3481,group:calls -> ef'],
      ['rule', 'work', 'add', 'to:10.0.0.0/8 -> cs2', '--before', '1'],
      'rule work',
      '--json rule work list',
      'get work',
      'list',
      ['rule', 'work', 'del', 'user:backup->cs1'],
      'rule work del 1',
      'rule work',
      '-v rule work reset',
      'rule work',
      'list',
    ]);
    expect(stored()).toBeUndefined();
    expect(entry()).toBe('class=ef max=ef zero=class');
  });

  test('where a rule does not do what one may think', async () => {
    await boot();
    dom0.machine.setFeature('personal', 'os', 'Windows');
    const add = (qube: string): string[] => ['rule', qube, 'add', 'tcp/22 -> cs5'];
    await expectPage(dom0, 'Notes on rules', 'rule-notes', [
      add('mail'),
      add('vault'),
      add('debian-13'),
      add('anon-whonix'),
      add('personal'),
      ['-q', ...add('mail')],
    ]);
  });

  test('what is refused', async () => {
    await boot();
    await rule('work', 'add', 'user:backup -> cs1');
    dom0.page('');
    await expectPage(dom0, 'What is refused of rules', 'rule-refused', [
      'rule',
      'rule nosuch',
      'rule work frobnicate',
      'rule work list 1',
      'rule work reset all',
      'rule work add',
      'rule work add user:backup -',
      ['rule', 'work', 'add', ''],
      ['rule', 'work', 'add', 'user:backup'],
      ['rule', 'work', 'add', 'user:backup -> gold'],
      ['rule', 'work', 'add', 'user:a -> ef; app:zoom -> ef'],
      ['rule', 'work', 'add', 'tcp -> ef', '--before', '2'],
      ['rule', 'work', 'add', 'tcp -> ef', '--before', '0'],
      ['rule', 'work', 'del', '1', '--before', '1'],
      'rule work del',
      'rule work del 0',
      'rule work del 2',
      ['rule', 'work', 'del', 'tcp -> ef'],
      ['rule', 'work', 'del', 'tcp -> ef; udp -> ef'],
      ['rule', 'personal', 'del', '1'],
      ['rule', 'dom0', 'add', 'tcp -> ef'],
      ['rule', 'office-pc', 'add', 'tcp -> ef'],
      ['rule', 'work', 'add', 'user:é\n -> ef'],
    ]);
    expect(stored()).toBe('user:backup -> cs1');
  });
});

test('what is told follows every change', async () => {
  await boot();
  await dom0.type(['set', 'work', 'cs2']);
  await rule('work', 'add', 'tcp/22 -> cs5');
  expect(entry()).toBe('class=cs2 max=cs5 zero=keep');
  await rule('work', 'add', 'udp/3478 -> ef; user:backup -> cs1');
  expect(stored()).toBe('tcp/22 -> cs5; udp/3478 -> ef; user:backup -> cs1');
  expect(entry()).toBe('class=cs2 max=ef zero=keep');
  expect(dom0.vmConfig('sys-net', 'qos.10.137.0.3')).toBe('class=cs0 max=ef zero=keep');
  await rule('work', 'del', '2');
  expect(entry()).toBe('class=cs2 max=cs5 zero=keep');
  expect(dom0.vmConfig('sys-net', 'qos.10.137.0.3')).toBe('class=cs0 max=cs5 zero=keep');
  await rule('work', 'reset');
  expect(entry()).toBe('class=cs2 max=cs2 zero=class');
  expect(dom0.vmConfig('sys-net', 'qos.10.137.0.3')).toBeUndefined();
  expect((await dom0.type(['sync', '--dry-run'])).stdout).toBe('');
});

test('own rules instead of those of a policy, and back', async () => {
  await boot();
  dom0.machine.setFeature('dom0', 'qos.policy.calls', 'rules=udp/3478->ef');
  await dom0.type(['policy', 'attach', 'calls', 'work']);
  expect(dom0.vmConfig('work', 'qos-policy-rules')).toBe('udp/3478->ef');
  expect(entry()).toBe('class=cs0 max=ef zero=keep');
  expect(await rule('work')).toEqual({
    stdout: '',
    stderr: 'qvm-qos: work: it has no rules of its own; its policy gives it: udp/3478 -> ef\n',
    exitCode: 1,
  });
  expect((await rule('work', 'add', 'tcp/22 -> cs5')).stderr).toContain(
    'qvm-qos: work: it has rules of its own now: those of its policy count no more.\n',
  );
  expect(entry()).toBe('class=cs0 max=cs5 zero=keep');
  expect((await rule('work', 'del', '1')).stderr).toBe(
    'qvm-qos: work: it has no rules of its own now: those of its policy count.\n',
  );
  expect(stored()).toBeUndefined();
  expect(entry()).toBe('class=cs0 max=ef zero=keep');
  dom0.machine.setFeature('work', 'vm-config.qos-rules', '');
  expect(await rule('work')).toEqual({
    stdout: '',
    stderr: 'qvm-qos: work: no rules, whatever a policy says.\n',
    exitCode: 1,
  });
  expect((await dom0.type(['list'])).stdout).toMatch(/^work +Running +- +none +- +calls +-$/m);
});

describe('a value that cannot be read', () => {
  test.each(['user:a', 'tcp -> ef; app:zoom -> ef', 'é\n'])('is not written over: %j', async (value) => {
    await boot();
    dom0.machine.qube('work').features.set('vm-config.qos-rules', value);
    for (const words of [
      ['add', 'udp -> ef'],
      ['del', '1'],
    ]) {
      const { stderr, exitCode } = await rule('work', ...words);
      expect(stderr).toMatch(
        /^qvm-qos: error: vm-config\.qos-rules of work cannot be read, so that it was not changed: rule \d, "[ -~]*":? .*; to clear it: qvm-qos rule work reset\n$/,
      );
      expect(exitCode).toBe(1);
      expect(stored()).toBe(value);
    }
    expect(await rule('work', 'reset')).toMatchObject({ stderr: '', exitCode: 0 });
    expect(stored()).toBeUndefined();
  });

  test('is an error to show, and invalid in the list', async () => {
    await boot();
    dom0.machine.setFeature('work', 'vm-config.qos-rules', 'user:a');
    expect(await rule('work')).toMatchObject({
      stdout: '',
      stderr: expect.stringMatching(
        /^qvm-qos: error: vm-config\.qos-rules of work: rule 1, "user:a": expected MATCH/,
      ) as string,
      exitCode: 1,
    });
    expect((await dom0.type(['list'])).stdout).toMatch(/^work +Running +- +invalid +- +- +-$/m);
  });

  test('in part, shows the rest', async () => {
    await boot();
    dom0.machine.setFeature('work', 'vm-config.qos-rules', 'app:zoom -> ef; tcp -> ef');
    const { stdout, stderr } = await rule('work');
    expect(stdout).toBe('NO  RULE\n1   tcp -> ef\n');
    expect(stderr).toContain('warning: vm-config.qos-rules of work: rule 1, "app:zoom -> ef", is left out');
  });
});

test('more than a feature can hold is not sent', async () => {
  await boot();
  const long = (letter: string): string => `cgroup:${letter.repeat(250)} -> ef`;
  await rule('work', 'add', Array.from('abcdefghijk', long).join('; '));
  const before = stored();
  expect(before).toHaveLength(11 * 263 + 10 * 2);
  expect(await rule('work', 'add', long('l'))).toEqual({
    stdout: '',
    stderr:
      'qvm-qos: error: value of vm-config.qos-rules has 3178 bytes: expected at most 3071, the limit of QubesDB; it was not sent.\n',
    exitCode: 1,
  });
  expect(stored()).toBe(before);
});

test('more rules than there can be are not sent', async () => {
  await boot();
  await rule('work', 'add', Array.from({ length: 64 }, (_, index) => `tcp/${index + 1} -> ef`).join('; '));
  expect(await rule('work', 'add', 'udp -> ef')).toEqual({
    stdout: '',
    stderr: 'qvm-qos: error: work: 65 rules: expected at most 64; nothing was changed.\n',
    exitCode: 1,
  });
  expect((await rule('work')).stdout.split('\n')).toHaveLength(66);
});
