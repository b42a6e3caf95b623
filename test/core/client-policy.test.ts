import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import { formatSize, LIMITS_VALUE, parseSize, type ClientLimits } from '@qubes-qos/core/client-limits';
import { formatClientPolicy, parseClientPolicy, type ClientPolicy } from '@qubes-qos/core/client-policy';
import { assertPolicyName, POLICY_VALUE, type NamedPolicy } from '@qubes-qos/core/named-policy';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import { anyRule } from './any-rule.js';

const rate = fc.integer({ min: 1, max: 1e12 }).map(bitsPerSecond);
const burst = fc.integer({ min: 1, max: 64 * 1024 * 1024 });
const className = fc.constantFrom(...CLASS_NAMES);

const anyClient: fc.Arbitrary<ClientPolicy> = fc.record(
  {
    class: className,
    max: className,
    zero: fc.constantFrom('class' as const, 'keep' as const),
    ip6: fc.ipV6().filter((address) => !address.includes('.')),
    ...{ up: rate, down: rate, burst },
  },
  { requiredKeys: [] },
);
const anyLimits: fc.Arbitrary<ClientLimits> = fc
  .record({ up: rate, down: rate, burst }, { requiredKeys: [] })
  .filter(({ up, burst: size }) => up !== undefined || size === undefined);
const tag = fc.stringMatching(/^[A-Za-z0-9_-]{1,10}$/);
const anyNamed: fc.Arbitrary<NamedPolicy> = fc
  .tuple(
    anyLimits,
    fc.record(
      {
        class: className,
        tags: fc.uniqueArray(tag, { minLength: 1, maxLength: 5 }).map((tags) => tags.sort()),
        rules: fc.array(anyRule, { minLength: 1, maxLength: 5 }),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([limits, rest]) => ({ ...limits, ...rest }));

describe('values that dom0 writes are read back to the same', () => {
  test('of a client', () => {
    fc.assert(
      fc.property(anyClient, (policy) => {
        expect(parseClientPolicy(formatClientPolicy(policy))).toEqual({ policy, warnings: [] });
      }),
    );
  });

  test('of limits', () => {
    fc.assert(
      fc.property(anyLimits, (policy) => {
        expect(LIMITS_VALUE.parse(LIMITS_VALUE.format(policy))).toEqual({ policy, warnings: [] });
      }),
    );
  });

  test('of a named policy', () => {
    fc.assert(
      fc.property(anyNamed, (policy) => {
        expect(POLICY_VALUE.parse(POLICY_VALUE.format(policy))).toEqual({ policy, warnings: [] });
      }),
    );
  });

  test('of a size', () => {
    fc.assert(
      fc.property(burst, (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });
});

describe('a client', () => {
  test('has its keys in one order', () => {
    const policy = parseClientPolicy(
      'down=20mbit up=5mbit burst=64kb ip6=fd09::5 zero=class max=ef class=cs5',
    ).policy;
    expect(formatClientPolicy(policy)).toBe(
      'class=cs5 max=ef zero=class ip6=fd09::5 up=5mbit down=20mbit burst=64kb',
    );
  });

  test('of another class than there are is not written', () => {
    expect(() => formatClientPolicy({ class: 'gold' as 'ef' })).toThrow(
      'class: expected ef, cs5, cs0, cs2 or cs1.',
    );
  });
});

describe('what is refused, with a reason', () => {
  test.each([
    ['up=5', 'up="5": rate "5": expected a number and bit, kbit, mbit or gbit, as in 20mbit.'],
    ['burst=1kb', 'burst without up: expected both, since the burst is what may be sent at once above up.'],
    [
      'up=1mbit burst=65mb',
      'burst="65mb": size "65mb": expected a whole number and b, kb or mb, at most 64mb, as in 64kb.',
    ],
  ])('limits %j', (value, message) => {
    expect(() => LIMITS_VALUE.parse(value)).toThrow(message);
  });

  test.each([
    ['class=gold', 'class="gold": expected ef, cs5, cs0, cs2 or cs1.'],
    ['tags=a,a', 'tags="a,a": tags "a,a": expected each once.'],
    ['tags=a;b', 'tags="a;b": tag "a;b": expected 1 to 64 of A-Z a-z 0-9 _ -.'],
    ['tags=', 'tags="": tag "": expected 1 to 64 of A-Z a-z 0-9 _ -.'],
    ['rules=', 'rules="": no rule: expected at least one.'],
    ['rules=user:a->gold', 'rules="user:a->gold": rule 1, "user:a->gold": class "gold": expected ef'],
    ['rules=tcp->ef;app:x->ef', 'rule 2, "app:x->ef": match "app:x": expected one of user:…'],
    ['rules=user:a -> ef', '"->": expected key=value'],
  ])('policy %j', (value, message) => {
    expect(() => POLICY_VALUE.parse(value)).toThrow(message);
  });

  test.each(['', 'a b', '../x', 'a.b', '1a', 'a+b', 'é', 'a'.repeat(32)])('policy name %j', (name) => {
    expect(() => {
      assertPolicyName(name);
    }).toThrow(/^policy name ".*": expected a letter and then at most 30 of A-Z a-z 0-9 _ -\.$/);
  });
});
