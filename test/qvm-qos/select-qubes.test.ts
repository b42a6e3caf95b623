import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ListedQube } from '@qubes-qos/qvm-qos/qubesd/admin';
import { assertSelection, selectQubes, type Selection } from '@qubes-qos/qvm-qos/select-qubes';

const LISTED: readonly ListedQube[] = [
  { name: 'dom0', klass: 'AdminVM', state: 'Running' },
  ...['debian-13', 'disp1', 'disp22', 'personal', 'sys-net', 'work', 'work-1.x'].map((name) => ({
    name,
    klass: 'AppVM',
    state: 'Running',
  })),
  { name: 'remote', klass: 'RemoteVM', state: 'Running' },
];

const CHARACTERS = ['d', 'i', 'w', 'k', '*', '?', '[', ']', '!', '^', '-', '\\', '.', '0', '1', '\n'];

function select(names: readonly string[], rest: Omit<Selection, 'names'> = {}): string[] {
  return selectQubes(LISTED, { names, ...rest }).map(({ name }) => name);
}

describe('selectQubes', () => {
  test.each([
    [['work'], ['work']],
    [
      ['work', 'disp1', 'work'],
      ['work', 'disp1'],
    ],
    [['disp?'], ['disp1']],
    [['disp*'], ['disp1', 'disp22']],
    [
      ['work*', 'work'],
      ['work', 'work-1.x'],
    ],
    [['disp[0-9]'], ['disp1']],
    [['[pw]*'], ['personal', 'work', 'work-1.x']],
    [['[!dpw]*'], ['sys-net']],
    [['work-1.?'], ['work-1.x']],
    [['*'], ['debian-13', 'disp1', 'disp22', 'personal', 'sys-net', 'work', 'work-1.x']],
  ])('%j names %j', (names, expected) => {
    expect(select(names)).toEqual(expected);
  });

  test('--all is every qube that can have a class, less the excluded', () => {
    expect(select([], { all: true, exclude: ['disp*', 'work', 'dom0'] })).toEqual([
      'debian-13',
      'personal',
      'sys-net',
      'work-1.x',
    ]);
  });

  test.each([
    [['nosuch'], "no such domain: 'nosuch'"],
    [['work', 'nosuch'], "no such domain: 'nosuch'"],
    [['x*'], "no domain matches 'x*'"],
    [['work[1'], "no domain matches 'work[1'"],
    [['work.1?x'], "no domain matches 'work.1?x'"],
    [['[^d]ork'], "no domain matches '[^d]ork'"],
    [['[z-a]*'], "no domain matches '[z-a]*'"],
    [['dom?'], "no domain matches 'dom?'"],
    [["it's"], "no such domain: 'it's'"],
    [['\x1b[31m'], "no domain matches '\\x1b[31m'"],
  ])('%j is an error', (names, message) => {
    expect(() => select(names)).toThrow(
      expect.objectContaining({ kind: 'no-such-domain', message }) as Error,
    );
  });

  test.each([['dom0'], ['remote']])('%s is refused when it is named', (name) => {
    expect(() => select(['work', name])).toThrow(expect.objectContaining({ kind: 'unsupported' }) as Error);
  });

  test('an excluded name that does not exist is an error, because it was meant to protect a qube', () => {
    expect(() => select([], { all: true, exclude: ['nosuch'] })).toThrow("no such domain: 'nosuch'");
  });

  test('any pattern either selects listed qubes, each once, or is an error of its kind', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...CHARACTERS) }), (pattern) => {
        try {
          const selected = select([pattern]);
          expect(new Set(selected).size).toBe(selected.length);
          expect(LISTED.map(({ name }) => name)).toEqual(expect.arrayContaining(selected));
        } catch (error) {
          expect(['no-such-domain', 'unsupported']).toContain((error as { kind?: string }).kind);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test.each([[{ names: ['work'], all: true }], [{ names: ['work'], exclude: ['x'] }], [{ names: [] }]])(
  'assertSelection refuses %j',
  (selection) => {
    expect(() => assertSelection(selection)).toThrow(expect.objectContaining({ kind: 'usage' }) as Error);
  },
);
