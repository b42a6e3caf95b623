import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bestOf,
  formatCompactRules,
  formatRule,
  formatRules,
  parseOwnRules,
  parseRuleList,
  parseRules,
} from '@qubes-qos/core/qos-rules';
import { anyRule } from './any-rule.js';

test('rules are read back to the same', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 64 }), (rules) => {
      expect(parseRules(formatRules(rules))).toEqual({ rules, warnings: [] });
    }),
  );
});

test('without a space they mean the same, so that they fit into a token', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 5 }), (rules) => {
      const compact = formatCompactRules(rules);
      expect(compact).not.toContain(' ');
      expect(parseRules(compact).rules).toEqual(rules);
    }),
  );
});

test('one by one they are the same rules', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 5 }), (rules) => {
      expect(parseRuleList(rules.map(formatRule))).toEqual(rules);
    }),
  );
  expect(() => parseRuleList(['user:a -> ef', ''])).toThrow('rule 2, "": expected MATCH,… -> CLASS');
  expect(() => parseRuleList(['user:a -> ef; user:b -> cs1'])).toThrow('rule 1, "user:a -> ef; user:b');
  expect(() => parseRuleList(['app:zoom -> ef'])).toThrow('rule 1, "app:zoom -> ef": match "app:zoom"');
});

test('the best that may be sent is the best of the rules and of what none matches', () => {
  const { rules } = parseRules('user:backup -> cs1; tcp/22 -> cs5');
  expect(bestOf(rules, 'cs0')).toBe('cs5');
  expect(bestOf(rules, 'ef')).toBe('ef');
  expect(bestOf([], 'cs1')).toBe('cs1');
});

test('the text has its matches in one order, networks and numbers in one form', () => {
  const value =
    ' udp/3478-3478,user:alice,to:10.1.2.3/8->ef;mark:16/0xF0 -> cs1 ;to:FD00::1->cs2; user:007->cs5';
  expect(formatRules(parseRules(value).rules)).toBe(
    'user:alice,to:10.0.0.0/8,udp/3478 -> ef; mark:0x10/0xf0 -> cs1; to:fd00::1/128 -> cs2; user:7 -> cs5',
  );
  expect(parseRules('')).toEqual({ rules: [], warnings: [] });
});

describe('what is wrong is named with its rule, and nothing counts', () => {
  test.each([
    ['user:a -> ef;', 'rule 2, "": expected MATCH,… -> CLASS'],
    ['user:a', 'rule 1, "user:a": expected MATCH,… -> CLASS'],
    ['user:a -> ef -> cs1', 'expected MATCH,… -> CLASS'],
    ['-> ef', 'match "": expected one of user:…'],
    ['user:a -> EF', 'class "EF": expected ef, cs5, cs0, cs2 or cs1'],
    ['user: -> ef', 'user "": expected a name, or a number'],
    ['user:4294967295 -> ef', 'user "4294967295": expected a name'],
    ['group:a b -> ef', 'group "a b": expected a name'],
    ['user:"; flush ruleset; # -> ef', 'rule 1, "user:\\"": expected MATCH'],
    ['user:a,user:b -> ef', 'two matches "user": expected one of a kind'],
    ['tcp,udp -> ef', 'two matches "protocol"'],
    ['unit:backup -> cs1', 'unit "backup": expected its whole name, as in backup.service'],
    ['cgroup:../x -> cs1', 'cgroup "../x": expected a path below /sys/fs/cgroup'],
    ['tcp/0 -> ef', '"tcp/0": expected tcp, tcp/PORT or tcp/FIRST-LAST of 1 to 65535'],
    ['tcp/90-80 -> ef', 'expected tcp, tcp/PORT'],
    ['udp/65536 -> ef', 'expected udp, udp/PORT'],
    ['icmp/8 -> ef', 'expected icmp alone, it has no ports'],
    ['to:10.0.0.0/33 -> ef', 'destination "10.0.0.0/33": expected an address or a network'],
    ['to:example.org -> ef', 'destination "example.org": expected an address'],
    ['mark:0x100000000 -> ef', 'mark "0x100000000": expected VALUE or VALUE/MASK'],
    ['mark:0x3/0x1 -> ef', 'no bit of the value outside the mask'],
    ['frobnicate -> ef', 'match "frobnicate": expected one of'],
    [Array.from({ length: 65 }, () => 'tcp -> ef').join(';'), '65 rules: expected at most 64'],
  ])('%s', (value, message) => {
    expect(() => parseRules(value)).toThrow(message);
  });
});

test('a match of a newer version costs its rule only; who writes is refused', () => {
  const value = 'tcp/443 -> ef; app:zoom -> cs5; udp -> cs1';
  const { rules, warnings } = parseRules(value);
  expect(formatRules(rules)).toBe('tcp/443 -> ef; udp -> cs1');
  expect(warnings).toEqual([
    expect.stringContaining('rule 2, "app:zoom -> cs5", is left out: match "app:zoom"'),
  ]);
  expect(() => parseOwnRules(value)).toThrow('rule 2, "app:zoom -> cs5": match "app:zoom": expected one of');
});
