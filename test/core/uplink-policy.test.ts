import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { QosError } from '@qubes-qos/core/errors';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import {
  formatUplinkPolicy,
  parseUplinkPolicy,
  type LineRate,
  type UplinkPolicy,
} from '@qubes-qos/core/uplink-policy';

const word = fc.stringMatching(/^[A-Za-z0-9+_.:-]{1,64}$/);
const lineRate = fc.oneof(
  fc.integer({ min: 1, max: 1e12 }).map((value): LineRate => bitsPerSecond(value)),
  fc.constantFrom<LineRate>('auto', 'off'),
);
const anyPolicy: fc.Arbitrary<UplinkPolicy> = fc.record(
  { up: lineRate, down: lineRate, scheduler: word, overhead: word },
  { requiredKeys: [] },
);

describe('parseUplinkPolicy', () => {
  test('reads every key in any order', () => {
    expect(parseUplinkPolicy('overhead=pppoe-ptm down=off scheduler=htb+ets+cake up=1.5mbit')).toEqual({
      policy: { up: 1_500_000, down: 'off', scheduler: 'htb+ets+cake', overhead: 'pppoe-ptm' },
      warnings: [],
    });
  });

  test('takes one key alone, and nothing at all', () => {
    expect(parseUplinkPolicy('up=auto')).toEqual({ policy: { up: 'auto' }, warnings: [] });
    expect(parseUplinkPolicy('')).toEqual({ policy: {}, warnings: [] });
  });

  test('warns about an unknown key and uses the rest', () => {
    expect(parseUplinkPolicy('colour=red up=20mbit __proto__=x')).toEqual({
      policy: { up: 20_000_000 },
      warnings: [
        'unknown key "colour" ignored: this version knows up, down, scheduler, overhead.',
        'unknown key "__proto__" ignored: this version knows up, down, scheduler, overhead.',
      ],
    });
  });

  test.each([
    ['up', '"up": expected key=value, as in up=20mbit.'],
    ['=20mbit', '"=20mbit": expected key=value, as in up=20mbit.'],
    ['up=1mbit up=2mbit', '"up" is given twice: expected once.'],
    [
      'up=fast',
      'up: rate "fast": expected a number and bit, kbit, mbit or gbit, as in 20mbit; or auto, or off.',
    ],
    ['up=', 'up: rate "": expected a number and bit, kbit, mbit or gbit, as in 20mbit; or auto, or off.'],
    [
      'up=20mbit\n',
      'up: rate "20mbit\\x0a": expected a number and bit, kbit, mbit or gbit, as in 20mbit; or auto, or off.',
    ],
    ['down=0mbit', 'down: rate "0mbit": expected more than 0 and at most 1000gbit; or auto, or off.'],
    ['scheduler=a;b', 'scheduler: expected 1 to 64 of A-Z a-z 0-9 + _ . : -'],
  ])('refuses %j', (value, message) => {
    expect(() => parseUplinkPolicy(value)).toThrow(new QosError('policy', message));
  });

  test('never throws anything but a QosError', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        try {
          parseUplinkPolicy(value);
        } catch (error) {
          expect(error).toBeInstanceOf(QosError);
        }
      }),
    );
  });
});

describe('formatUplinkPolicy', () => {
  test('writes the keys in a fixed order', () => {
    expect(formatUplinkPolicy({ overhead: '18', down: 'auto', up: bitsPerSecond(20e6) })).toBe(
      'up=20mbit down=auto overhead=18',
    );
  });

  test('refuses a key that it does not know', () => {
    const policy: UplinkPolicy = { up: 'auto', ...{ colour: 'red' } };
    expect(() => formatUplinkPolicy(policy)).toThrow(
      'unknown key "colour": expected up, down, scheduler, overhead',
    );
  });

  test('refuses a word that would not read back', () => {
    expect(() => formatUplinkPolicy({ scheduler: 'a b=c' })).toThrow(QosError);
  });

  test('is read back by parseUplinkPolicy to the same policy', () => {
    fc.assert(
      fc.property(anyPolicy, (policy) => {
        expect(parseUplinkPolicy(formatUplinkPolicy(policy))).toEqual({ policy, warnings: [] });
      }),
    );
  });
});
