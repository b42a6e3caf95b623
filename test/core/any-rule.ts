// Owns what fast-check makes of rules: any that can be written.
import fc from 'fast-check';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import { RULE_PROTOCOLS, type QosRule } from '@qubes-qos/core/qos-rules';
import { canonicalNetwork } from '@qubes-qos/core/tc/prefixes';

const account = fc.oneof(
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/),
  fc.integer({ min: 0, max: 0xffff_fffe }),
);
const ports = fc
  .tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
const protocol = fc.oneof(
  fc.record({ protocol: fc.constantFrom(...RULE_PROTOCOLS) }),
  fc.record({ protocol: fc.constantFrom('tcp' as const, 'udp' as const), ports }),
);
const network = fc
  .oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  )
  .map(([address, length]) => canonicalNetwork(`${address}/${length}`));
const mark = fc
  .tuple(fc.integer({ min: 1, max: 0xffff_ffff }), fc.integer({ min: 0, max: 0xffff_ffff }))
  .map(([mask, bits]) => ({ mask, value: (mask & bits) >>> 0 }));
/** A rule with at least one match. */
export const anyRule: fc.Arbitrary<QosRule> = fc.record({
  class: fc.constantFrom(...CLASS_NAMES),
  match: fc
    .record(
      {
        ...{ user: account, group: account, protocol, to: network, mark },
        unit: fc.stringMatching(/^[A-Za-z0-9:_.\\@-]{1,20}\.(service|scope|slice)$/),
        cgroup: fc.stringMatching(/^[a-z]{1,8}(\/[a-z-]{1,8}){0,3}$/),
      },
      { requiredKeys: [] },
    )
    .filter((match) => Object.keys(match).length > 0),
});
