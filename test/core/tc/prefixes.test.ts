// Networks as u32 sees them: words of the header, and back to the same network.
import { networkOfMatches, canonicalNetwork, isNetwork, numberPrefixes } from '@qubes-qos/core/tc/prefixes';
import { nameMatches } from '@qubes-qos/core/tc/read';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('canonicalNetwork', () => {
  test.each([
    ['192.168.1.7/24', '192.168.1.0/24'],
    ['255.255.255.255/32', '255.255.255.255/32'],
    ['10.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8:1:0::/64', '2001:db8:1::/64'],
    ['fe80::1/10', 'fe80::/10'],
    ['2001:db8:0:0:1:0:0:1/128', '2001:db8::1:0:0:1/128'],
    ['1:0:0:2:0:0:0:3/128', '1:0:0:2::3/128'],
    ['10::10:0:10/128', '10::10:0:10/128'],
    ['::ffff:10.1.2.3/128', '::ffff:a01:203/128'],
    ['::/0', '::/0'],
  ])('%s is %s', (network, expected) => expect(canonicalNetwork(network)).toBe(expected));

  test('keeps every address what it is', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const text = canonicalNetwork(`${address}/128`).replace('/128', '');
        expect(new URL(`http://[${text}]`).hostname).toBe(new URL(`http://[${address}]`).hostname);
      }),
    );
  });

  test('is a network, and the same when done again', () => {
    const network = fc.oneof(
      fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
      fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    );
    fc.assert(
      fc.property(network, ([address, length]) => {
        const once = canonicalNetwork(`${address}/${length}`);
        expect(isNetwork(once)).toBe(true);
        expect(canonicalNetwork(once)).toBe(once);
      }),
    );
  });
});

test.each([
  '',
  '/8',
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/08',
  '10.0.0/8',
  'fd00::/129',
  '::/8/8',
])('no network: %j', (text) => {
  expect(isNetwork(text)).toBe(false);
});

test('what tc shows of a filter is the network that it was made for', () => {
  const shown =
    '"flowid":"51:f","not_in_hw":true,"match":{"value":"20010db8","mask":"ffffffff","offmask":"","off":24},"match":{"value":"10000","mask":"ffff0000","offmask":"","off":28}';
  const { match, match2 } = JSON.parse(`{${nameMatches(shown)}}`) as Record<string, never>;
  expect(networkOfMatches('ipv6', [match!, match2!])).toEqual({ side: 'dst', network: '2001:db8:1::/48' });
  const one = { value: 'c0a80100', mask: 'ffffff00', off: 12 };
  expect(networkOfMatches('ip', [one])).toEqual({ side: 'src', network: '192.168.1.0/24' });
  for (const other of [{ off: 0 }, { mask: 'ff00ff00' }])
    expect(networkOfMatches('ip', [{ ...one, ...other }])).toBeUndefined();
});

test('no two filters have one number, and a filter keeps its number beside others', () => {
  const filter = (side: 'src' | 'dst', network: string) =>
    ({ parent: '51:', family: 'ip', side, network, flowid: '51:f' }) as const;
  const many = Array.from({ length: 300 }, (_, byte) => filter('dst', `10.${byte % 256}.${byte >> 8}.0/24`));
  const numbers = numberPrefixes(many).map(({ index }) => index);
  expect(new Set(numbers).size).toBe(many.length);
  expect(Math.min(...numbers)).toBeGreaterThan(0);
  expect(Math.max(...numbers)).toBeLessThan(0xf00);
  expect(numberPrefixes([filter('src', '10.0.0.0/8')])).not.toEqual(
    numberPrefixes([filter('dst', '10.0.0.0/8')]),
  );
});
