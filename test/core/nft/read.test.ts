import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ALL_BITS,
  L4_PROTOCOLS,
  META_KEYS,
  VERDICTS,
  type L4Protocol,
  type NftExpression,
} from '@qubes-qos/core/nft/model';
import { readTable } from '@qubes-qos/core/nft/read';
import { renderTable } from '@qubes-qos/core/nft/render';
import { canonicalNetwork } from '@qubes-qos/core/tc/prefixes';
import { ID, listing, tableOf } from './table.js';

const port = fc.integer({ min: 0, max: 65_535 });
const daddr = (family: 'ip' | 'ip6', network: string) => ({
  ...{ kind: 'daddr' as const, family, network: canonicalNetwork(network) },
});

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
  fc.record({
    kind: fc.constant('l4proto' as const),
    protocol: fc.constantFrom(...(Object.keys(L4_PROTOCOLS) as L4Protocol[])),
  }),
  fc
    .tuple(fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const, 'dccp' as const), port, port)
    .map(([protocol, a, b]) => ({
      kind: 'dport' as const,
      ...{ protocol, first: Math.min(a, b), last: Math.max(a, b) },
    })),
  fc
    .tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }))
    .map(([address, length]) => daddr('ip', `${address}/${length}`)),
  fc
    .tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))
    .map(([address, length]) => daddr('ip6', `${address}/${length}`)),
  fc.record({
    kind: fc.constant('mark' as const),
    mask: fc.oneof(fc.nat(ALL_BITS), fc.constant(ALL_BITS)),
    value: fc.nat(ALL_BITS),
  }),
  fc.record({
    kind: fc.constant('cgroup' as const),
    path: fc.stringMatching(/^[a-z-]{1,8}(\/[a-z@-]{1,8}){0,3}$/),
  }),
  fc.record({ kind: fc.constant('jump' as const), chain: fc.stringMatching(/^[a-z]{1,8}$/) }),
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
    meta skuid 1000 ip dscp set 0 comment "theirs"
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
    ['another port', { rule: { chain: 'output', expr: [payload('sport', 443)] } }, '"sport"'],
    ['a list of ports', { rule: { chain: 'output', expr: [payload('dport', { set: [1, 2] })] } }, '"set"'],
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

function payload(field: string, right: unknown): unknown {
  return { match: { op: '==', left: { payload: { protocol: 'tcp', field } }, right } };
}

function oif(right: unknown): unknown {
  return { match: { op: '==', left: { meta: { key: 'oif' } }, right } };
}
