import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { META_KEYS, VERDICTS, type NftExpression } from '@qubes-qos/core/nft/model';
import { readTable } from '@qubes-qos/core/nft/read';
import { renderTable } from '@qubes-qos/core/nft/render';
import { ID, listing, tableOf } from './table.js';

const anyExpression: fc.Arbitrary<NftExpression> = fc.oneof(
  fc.record({
    kind: fc.constant('meta' as const),
    key: fc.constantFrom(...META_KEYS),
    op: fc.constantFrom('==' as const, '!=' as const),
    value: fc.oneof(fc.nat(), fc.stringMatching(/^[a-z]{1,15}$/)),
  }),
  fc.record({
    kind: fc.constant('set-dscp' as const),
    family: fc.constantFrom('ip' as const, 'ip6' as const),
    dscp: fc.integer({ min: 0, max: 63 }),
  }),
  fc.record({
    kind: fc.constant('dscp' as const),
    family: fc.constantFrom('ip' as const, 'ip6' as const),
    dscp: fc.integer({ min: 0, max: 63 }),
  }),
  fc.record({
    kind: fc.constant('ct-mark' as const),
    mask: fc.nat(0xffffffff),
    op: fc.constantFrom('==' as const, '!=' as const),
    value: fc.nat(0xffffffff),
  }),
  fc.record({ kind: fc.constant('set-ct-mark' as const), value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('verdict' as const), verdict: fc.constantFrom(...VERDICTS) }),
);

test('what nft lists for a table reads back to that table', () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyExpression, { minLength: 1, maxLength: 3 })), (rules) => {
      const table = tableOf(...rules);
      expect(readTable(ID, listing(table))).toEqual(table);
    }),
  );
});

test.each(['1.0.6', '1.1.3'])('a table as nft %s really listed it', (version) => {
  const json = readFileSync(new URL(`../../fixtures/nft/mangle-${version}.json`, import.meta.url), 'utf8');
  const table = readTable({ family: 'inet', name: 'qubes-qos-mangle' }, json);
  expect(renderTable(table)).toBe(`table inet qubes-qos-mangle {
  chain output {
    type filter hook output priority mangle; policy accept;
    oif "lo" accept
    ip dscp set 46
    ip6 dscp set 46
    # not ours: {"match":{"op":"==","left":{"meta":{"key":"skuid"}},"right":1000}} ip dscp set 0 comment "theirs"
  }
}
`);
});

describe('what the model does not know is kept, and shows', () => {
  test.each([
    [
      'a statement',
      { rule: { chain: 'output', expr: [{ counter: { packets: 0, bytes: 0 } }] } },
      '"counter"',
    ],
    ['a code point without a class', { rule: { chain: 'output', expr: [mangle('af41')] } }, '"af41"'],
    ['another field', { rule: { chain: 'output', expr: [mangle('ef', 'ecn')] } }, '"ecn"'],
    ['a match on a list', { rule: { chain: 'output', expr: [oif({ set: ['a', 'b'] })] } }, '"set"'],
    ['a rule without expressions', { rule: { chain: 'output' } }, 'null'],
    ['a rule of a chain that is not there', { rule: { chain: 'gone', expr: [{ accept: null }] } }, '"gone"'],
    ['a set', { set: { name: 'blocked', handle: 9 } }, '"blocked"'],
    ['a dormant table', { table: { name: 'example', flags: ['dormant'] } }, '"dormant"'],
  ])('%s', (_, object, shown) => {
    const json = JSON.parse(listing(tableOf())) as { nftables: unknown[] };
    const table = readTable(ID, JSON.stringify({ nftables: [...json.nftables, object] }));
    expect(renderTable(table)).toContain('# not ours: ');
    expect(renderTable(table)).toContain(shown);
    expect(renderTable(table)).not.toContain('handle');
  });
});

test.each([
  ['', 'no JSON'],
  ['{"nftables": 1}', 'JSON without "nftables"'],
  ['[]', 'JSON without "nftables"'],
  ['{"nftables": [{"metainfo": {"json_schema_version": 2}}]}', 'another version of its JSON'],
])('%j is refused', (json, message) => {
  expect(() => readTable(ID, json)).toThrow(message);
});

test('any JSON is read or refused, never a crash', () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.constantFrom('table', 'chain', 'rule', 'set'), fc.jsonValue())),
      (nftables) => {
        const table = readTable(ID, JSON.stringify({ nftables }));
        expect(renderTable(table)).toContain('table inet example {');
      },
    ),
  );
});

function mangle(value: string, field = 'dscp'): unknown {
  return { mangle: { key: { payload: { protocol: 'ip', field } }, value } };
}

function oif(right: unknown): unknown {
  return { match: { op: '==', left: { meta: { key: 'oif' } }, right } };
}
