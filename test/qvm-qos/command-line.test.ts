import { describe, expect, test } from 'vitest';
import { buildProgram } from '@qubes-qos/qvm-qos/command-line';

const NAMES = [
  ...['set', 'unset', 'get', 'list', 'uplink', 'limit', 'rule', 'enforce', 'apply', 'diff', 'export', 'sync'],
  ...['policy', 'daemon'],
];

function namesFor(...args: string[]): string[] {
  const nothing = (): Promise<void> => Promise.resolve();
  const hooks = {
    run: nothing,
    runForever: nothing,
    writeOut: () => undefined,
    onUsageError: () => undefined,
  };
  return buildProgram(args, hooks).commands.map((command) => command.name());
}

describe('the commands that are built', () => {
  test.each([
    [['set', 'work', 'ef'], 'set'],
    [['-v', '--json', 'list'], 'list'],
    [['--socket', 'set', 'unset', 'work'], 'unset'],
    [['policy', 'list'], 'policy'],
  ])('%j: the one that is named', (args, name) => {
    expect(namesFor(...args)).toEqual([name]);
  });

  test.each([[[]], [['--help']], [['-h', 'set']], [['-vq', 'set']], [['--socket=set', 'list']], [['sets']]])(
    '%j: all',
    (args) => {
      expect(namesFor(...args)).toEqual(NAMES);
    },
  );

  test('a name that every object has is no command', () => {
    expect(namesFor('toString')).toEqual(NAMES);
  });
});
