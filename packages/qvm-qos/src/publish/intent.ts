// Owns which of several words about a qube counts: its own, its policy's, its tag's policy's, its NetVM's policy's. Pure.
import { DEFAULT_CLASS, isClassName, worseClass, type ClassName } from '@qubes-qos/core/classes';
import { LIMITS_VALUE, type ClientLimits } from '@qubes-qos/core/client-limits';
import { messageOf } from '@qubes-qos/core/errors';
import type { NamedPolicy } from '@qubes-qos/core/named-policy';
import { bestOf, parseRules, type QosRule } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import { FEATURE } from '../feature-names.js';
import { readPolicies, type QubeFacts, type System } from './system.js';

/** Where a word comes from, best first. */
export type Source = 'own' | 'policy' | 'tag' | 'netvm' | 'default';

/** A policy that a qube has, and by which way. */
export interface PolicyInForce {
  readonly name: string;
  readonly source: Source;
  readonly policy: NamedPolicy;
}

/** What dom0 wants of one qube. */
export interface Intent {
  readonly class: ClassName;
  readonly classSource: Source;
  /** The best class that the rules inside it name, or its class. */
  readonly best: ClassName;
  /** True when rules inside it say what a packet is: its own, readable or not, or a policy's. */
  readonly hasRules: boolean;
  /** The class of the first policy that has one; undefined for none. */
  readonly policyClass: ClassName | undefined;
  /** The rules of the first policy that has some; undefined for none. */
  readonly policyRules: readonly QosRule[] | undefined;
  readonly limits: ClientLimits;
  readonly limitsSource: Source;
  /** The policies of this qube, best first. */
  readonly policies: readonly PolicyInForce[];
}

/** The intent of every qube, and what could not be used. */
export interface Intents {
  readonly of: ReadonlyMap<string, Intent>;
  readonly warnings: readonly string[];
}

/** Reads all intent of the machine. A value that cannot be used never makes a class better. */
export function readIntents({ qubes }: System): Intents {
  const byName = new Map(qubes.map((qube) => [qube.name, qube]));
  const dom0 = qubes.find(({ klass }) => klass === 'AdminVM');
  const { policies, warnings } = readPolicies(dom0?.features ?? new Map());
  const heard: string[] = [...warnings];
  const of = new Map<string, Intent>();
  for (const qube of qubes) {
    if (qube.klass === 'AdminVM') continue;
    const netvm = qube.netvm === undefined ? undefined : byName.get(qube.netvm);
    of.set(
      qube.name,
      intentOf(qube, policiesOf(qube, netvm, policies, heard), (text) => heard.push(text)),
    );
  }
  return { of, warnings: [...new Set(heard)] };
}

function intentOf(
  { name, features }: QubeFacts,
  policies: readonly PolicyInForce[],
  warn: (text: string) => void,
): Intent {
  const granting = policies.find(({ policy }) => policy.class !== undefined);
  const policyClass = granting?.policy.class;
  const own = ownClass(name, features.get(FEATURE.class), policyClass, warn);
  const className = own ?? policyClass ?? DEFAULT_CLASS;
  const policyRules = policies.find(({ policy }) => policy.rules !== undefined)?.policy.rules;
  const stored = features.get(FEATURE.rules);
  const rules = ownRules(name, stored, warn) ?? policyRules ?? [];
  const limiting = policies.find(({ policy }) => hasLimits(policy));
  const ownLimits = readLimits(name, features.get(FEATURE.limit), warn);
  return {
    class: className,
    classSource: own !== undefined ? 'own' : (granting?.source ?? 'default'),
    best: bestOf(rules, className),
    hasRules: (stored ?? '') !== '' || rules.length > 0,
    policyClass,
    policyRules,
    limits: ownLimits ?? limitsOf(limiting?.policy ?? {}),
    limitsSource: ownLimits !== undefined ? 'own' : (limiting?.source ?? 'default'),
    policies,
  };
}

/** Empty is the "false" of features: the user wants no class here, whatever a policy says. */
function ownClass(
  name: string,
  value: string | undefined,
  fallback: ClassName | undefined,
  warn: (text: string) => void,
): ClassName | undefined {
  if (value === undefined) return undefined;
  if (value === '') return DEFAULT_CLASS;
  if (isClassName(value)) return value;
  const taken = worseClass(DEFAULT_CLASS, fallback ?? DEFAULT_CLASS);
  warn(`${FEATURE.class} of ${name} is ${quote(value)}, which is no class: its packets may have ${taken}.`);
  return taken;
}

/** undefined when it has none: empty is none as well, whatever a policy says. What cannot be read grants nothing. */
function ownRules(
  name: string,
  value: string | undefined,
  warn: (text: string) => void,
): readonly QosRule[] | undefined {
  if (value === undefined) return undefined;
  try {
    const { rules, warnings } = parseRules(value);
    for (const text of warnings) warn(`${FEATURE.rules} of ${name}: ${text}`);
    return rules;
  } catch (error) {
    warn(`${FEATURE.rules} of ${name} is not used: ${messageOf(error)}`);
    return [];
  }
}

function readLimits(
  name: string,
  value: string | undefined,
  warn: (text: string) => void,
): ClientLimits | undefined {
  if (value === undefined || value === '') return undefined;
  try {
    const { policy, warnings } = LIMITS_VALUE.parse(value);
    for (const text of warnings) warn(`${FEATURE.limit} of ${name}: ${text}`);
    return policy;
  } catch (error) {
    warn(`${FEATURE.limit} of ${name} is not used: ${messageOf(error)}`);
    return undefined;
  }
}

/** The policies of a qube, best first: attached to it, to a tag of it, to its NetVM. */
function policiesOf(
  qube: QubeFacts,
  netvm: QubeFacts | undefined,
  policies: ReadonlyMap<string, NamedPolicy>,
  warnings: string[],
): PolicyInForce[] {
  const named = (holder: QubeFacts | undefined, source: Source): PolicyInForce[] => {
    const name = holder?.features.get(FEATURE.attach) ?? '';
    if (holder === undefined || name === '') return [];
    const policy = policies.get(name);
    if (policy !== undefined) return [{ name, source, policy }];
    warnings.push(
      `${holder.name} has the policy ${quote(name)}, which there is not: nothing follows from it.`,
    );
    return [];
  };
  return [
    // What is attached to a NetVM is for its clients.
    ...(qube.providesNetwork ? [] : named(qube, 'policy')),
    ...byTag(qube, policies, warnings),
    ...named(netvm, 'netvm'),
  ];
}

/**
 * Two tags with different policies: the one with the worse class, so that no tag makes another's word better; and what
 * its rules name is not better than what any of them would let the qube send.
 */
function byTag(
  { name: qube, tags }: QubeFacts,
  policies: ReadonlyMap<string, NamedPolicy>,
  warnings: string[],
): PolicyInForce[] {
  const found = [...policies]
    .filter(([, policy]) => policy.tags?.some((tag) => tags.includes(tag)) === true)
    .map(([name, policy]): PolicyInForce => ({ name, source: 'tag', policy }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const [first, ...rest] = found;
  if (first === undefined) return [];
  if (rest.length === 0) return [first];
  const chosen = rest.reduce((best, next) => {
    const [a, b] = [best.policy.class ?? DEFAULT_CLASS, next.policy.class ?? DEFAULT_CLASS];
    return a !== b && worseClass(a, b) === b ? next : best;
  }, first);
  const least = found.map(({ policy }) => bestOfPolicy(policy)).reduce(worseClass);
  const names = found.map(({ name }) => name).join(', ');
  const kept =
    bestOfPolicy(chosen.policy) === least
      ? ''
      : `, its rules up to ${least}, the best that all of them grant`;
  warnings.push(`${qube} has several policies by its tags (${names}): ${chosen.name} counts${kept}.`);
  return [{ ...chosen, policy: withRulesUpTo(chosen.policy, least) }];
}

/** The best class that a qube may send by this policy alone. */
function bestOfPolicy({ class: className = DEFAULT_CLASS, rules = [] }: NamedPolicy): ClassName {
  return bestOf(rules, className);
}

function withRulesUpTo(policy: NamedPolicy, most: ClassName): NamedPolicy {
  if (policy.rules === undefined) return policy;
  return { ...policy, rules: policy.rules.map((rule) => ({ ...rule, class: worseClass(rule.class, most) })) };
}

function hasLimits({ up, down }: ClientLimits): boolean {
  return up !== undefined || down !== undefined;
}

function limitsOf({ up, down, burst }: ClientLimits): ClientLimits {
  return {
    ...(up === undefined ? {} : { up }),
    ...(down === undefined ? {} : { down }),
    ...(burst === undefined ? {} : { burst }),
  };
}
