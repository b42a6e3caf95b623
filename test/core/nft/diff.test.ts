import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import { diffTable, explainTable } from '@qubes-qos/core/nft/diff';
import type { NftOp } from '@qubes-qos/core/nft/model';
import type { NftTable } from '@qubes-qos/core/nft/model';
import { readTable } from '@qubes-qos/core/nft/read';
import { renderNft, renderTable } from '@qubes-qos/core/nft/render';
import { MANGLE_TABLE, planMangle } from '@qubes-qos/mangle-agent/plan';
import { ID, listing, tableOf } from './table.js';

const EF = tableOf([{ kind: 'set-dscp', family: 'ip', dscp: 46 }]);
const CS1 = tableOf([{ kind: 'set-dscp', family: 'ip', dscp: 8 }]);

describe('diffTable', () => {
  test('nothing to do', () => {
    expect(diffTable(ID, EF, structuredClone(EF))).toEqual([]);
    expect(diffTable(ID, undefined, undefined)).toEqual([]);
  });

  test('a table is replaced whole, or deleted', () => {
    expect(diffTable(ID, EF, undefined)).toEqual([{ op: 'replace', table: EF }]);
    expect(diffTable(ID, EF, CS1)).toEqual([{ op: 'replace', table: EF }]);
    expect(diffTable(ID, undefined, EF)).toEqual([{ op: 'delete', id: ID }]);
  });

  test.each([
    ['something foreign in it', { ...EF, foreign: ['{"set":{}}'] }],
    ['a rule more', tableOf(...Array.from({ length: 2 }, () => EF.chains[0]!.rules[0]!.expressions.slice()))],
    ['no rule', tableOf()],
    ['no chain', { ...EF, chains: [] }],
    [
      'another priority',
      { ...EF, chains: [{ ...EF.chains[0]!, base: { ...EF.chains[0]!.base!, priority: 0 } }] },
    ],
    [
      'a comment',
      { ...EF, chains: [{ ...EF.chains[0]!, rules: [{ ...EF.chains[0]!.rules[0]!, comment: 'x' }] }] },
    ],
  ])('%s is a difference', (_, observed: NftTable) => {
    expect(diffTable(ID, EF, observed)).toHaveLength(1);
    expect(explainTable(ID, EF, observed)).toMatch(/^table inet example: expected ".*", found ".*"$/);
  });
});

test('explainTable names the first difference', () => {
  expect(explainTable(ID, EF, CS1)).toBe(
    'table inet example: expected "ip dscp set 46", found "ip dscp set 8"',
  );
  expect(explainTable(ID, EF, undefined)).toBe('table inet example: expected one, found none');
  expect(explainTable(ID, undefined, EF)).toBe('table inet example: expected none, found one');
});

test('renderNft: one transaction, which succeeds whether the table is there or not', () => {
  expect(renderNft([])).toBe('');
  expect(renderNft([{ op: 'delete', id: ID }])).toBe('table inet example\ndelete table inet example\n');
  expect(renderNft([{ op: 'replace', table: CS1 }])).toBe(
    `table inet example\ndelete table inet example\n${renderTable(CS1)}`,
  );
});

test('any walk between states ends in the desired one, in one step, and a second step does nothing', () => {
  const anyState = fc.constantFrom('none' as const, ...CLASS_NAMES);
  const anyDisturbance = fc.constantFrom('none', 'flush', 'foreign rule');
  fc.assert(
    fc.property(fc.array(fc.tuple(anyState, anyDisturbance), { minLength: 1 }), (steps) => {
      let kernel: NftTable | undefined;
      for (const [state, disturbance] of steps) {
        const desired = planMangle(state);
        kernel = run(kernel, diffTable(MANGLE_TABLE, desired, kernel));
        expect(kernel).toEqual(desired);
        expect(diffTable(MANGLE_TABLE, desired, kernel)).toEqual([]);
        kernel = disturb(kernel, disturbance);
      }
    }),
  );
});

/** A kernel that takes ops and shows what it has as nft does. */
function run(kernel: NftTable | undefined, ops: readonly NftOp[]): NftTable | undefined {
  let now = kernel;
  for (const op of ops) now = op.op === 'replace' ? op.table : undefined;
  return now && readTable(now.id, listing(now));
}

function disturb(kernel: NftTable | undefined, disturbance: string): NftTable | undefined {
  if (disturbance === 'flush' || !kernel) return undefined;
  if (disturbance === 'none') return kernel;
  const [chain, ...others] = kernel.chains;
  const theirs = { expressions: [{ kind: 'foreign' as const, json: '{"counter":null}' }] };
  return { ...kernel, chains: [{ ...chain!, rules: [theirs, ...chain!.rules] }, ...others] };
}
