import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isIpv4, isIpv6 } from '@qubes-qos/core/addresses';

const nearly = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.stringMatching(/^[0-9.]{1,16}$/),
  fc.stringMatching(/^[0-9a-fA-F:]{2,20}$/),
  fc.stringMatching(/^[0-9a-f:]{2,12}:[0-9.]{5,12}$/),
  fc.string(),
);

describe('an address is what the system takes for one', () => {
  test('IPv4, and IPv6 without a zone', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(isIpv4(text)).toBe(isIPv4(text));
        expect(isIpv6(text)).toBe(isIPv6(text) && !text.includes('%'));
      }),
      { numRuns: 5000 },
    );
  });

  test.each(['::', '::1', '1::', '1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:8', '::ffff:10.137.0.5', 'FD09::A89:5'])(
    '%s is IPv6',
    (text) => {
      expect(isIpv6(text)).toBe(true);
    },
  );

  test.each(['', ':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '::12345', '::g', '::1/64'])(
    '%j is none',
    (text) => {
      expect(isIpv6(text)).toBe(false);
    },
  );
});
