// Owns what fast-check makes of all that a user can say of a qube, and of the policies in dom0.
import fc from 'fast-check';
import { CLASS_NAMES, isClassName, type ClassName } from '@qubes-qos/core/classes';
import { POLICY_VALUE } from '@qubes-qos/core/named-policy';
import { formatRules, parseRules } from '@qubes-qos/core/qos-rules';
import type { QubeFacts } from '@qubes-qos/qvm-qos/publish/system';
import { anyRule } from '../../core/any-rule.js';

export const CLASS = 'vm-config.dscp';
export const RULES = 'vm-config.qos-rules';
const POLICY = 'qos.policy.p';

/** Nothing of it counts. */
const UNREADABLE = 'user:a -> ef; user:b';

export const anyClass = fc.constantFrom(undefined, ...CLASS_NAMES);

/** Own rules as they may be stored: none, readable ones, and not. */
export const anyOwnRules = fc.oneof(
  fc.constantFrom(undefined, undefined, '', UNREADABLE),
  fc.array(anyRule, { maxLength: 2 }).map(formatRules),
);

/** The features of a qube by name. */
export const anyWords: fc.Arbitrary<Readonly<Record<string, string>>> = fc
  .record({
    [CLASS]: anyClass,
    [RULES]: anyOwnRules,
    'qos.attach': fc.constantFrom(undefined, undefined, 'p', 'nosuch'),
  })
  .map((words) =>
    Object.fromEntries(
      Object.entries(words).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  );

/** dom0 with one policy. */
export const anyDom0: fc.Arbitrary<QubeFacts> = fc
  .record(
    { class: fc.constantFrom(...CLASS_NAMES), rules: fc.array(anyRule, { minLength: 1, maxLength: 2 }) },
    { requiredKeys: [] },
  )
  .map((policy) => ({
    ...{
      name: 'dom0',
      klass: 'AdminVM',
      netvm: undefined,
      ip: '',
      ip6: '',
      providesNetwork: false,
      tags: [],
    },
    features: new Map([[POLICY, POLICY_VALUE.format(policy)]]),
  }));

/** The classes that a user names with a feature. */
export function classesNamed(feature: string, value: string): ClassName[] {
  if (feature === CLASS && isClassName(value)) return [value];
  if (feature === RULES && value !== UNREADABLE) return parseRules(value).rules.map((rule) => rule.class);
  if (feature !== POLICY) return [];
  const { class: className, rules = [] } = POLICY_VALUE.parse(value).policy;
  return [...(className === undefined ? [] : [className]), ...rules.map((rule) => rule.class)];
}
