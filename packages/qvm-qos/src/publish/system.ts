// Owns the snapshot of the machine that publication is computed from: plain data, with no way to ask for more.
import { messageOf } from '@qubes-qos/core/errors';
import { assertPolicyName, POLICY_VALUE, type NamedPolicy } from '@qubes-qos/core/named-policy';
import { QOS_FEATURE, VM_CONFIG, VM_CONFIG_FEATURE_PREFIX, CLIENT_PREFIX } from '@qubes-qos/core/vm-config';

/** What matters of one qube. */
export interface QubeFacts {
  readonly name: string;
  /** `AppVM`, `AdminVM`, … */
  readonly klass: string;
  readonly netvm: string | undefined;
  /** The properties `ip` and `ip6`, which the vif's routes have; empty for none. */
  readonly ip: string;
  readonly ip6: string;
  readonly providesNetwork: boolean;
  readonly tags: readonly string[];
  /** The features that isOurFeature names. */
  readonly features: ReadonlyMap<string, string>;
}

/** All qubes, dom0 too. */
export interface System {
  readonly qubes: readonly QubeFacts[];
}

/** Names of features by what they are. */
export const FEATURE = {
  class: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.dscp,
  rules: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.rules,
  uplink: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.uplink,
  enforce: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.enforce,
  policyClass: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.policyClass,
  clientPrefix: VM_CONFIG_FEATURE_PREFIX + CLIENT_PREFIX,
  ...QOS_FEATURE,
} as const;

const INTENT: readonly string[] = [FEATURE.class, FEATURE.rules, FEATURE.limit, FEATURE.attach];

/** True for a feature that says what a user wants of a qube. */
export function isIntent(feature: string): boolean {
  return INTENT.includes(feature);
}

/** True for a feature that follows from others: it is written and removed by publication alone. */
export function isDerived(feature: string): boolean {
  return feature === FEATURE.policyClass || feature.startsWith(FEATURE.clientPrefix);
}

/** True for every feature that publication reads. */
export function isOurFeature(feature: string): boolean {
  return (
    isIntent(feature) ||
    isDerived(feature) ||
    feature === FEATURE.enforce ||
    feature.startsWith(FEATURE.policyPrefix)
  );
}

/** The policies of dom0 by name, and one warning for each that cannot be used. */
export function readPolicies(features: ReadonlyMap<string, string>): {
  readonly policies: ReadonlyMap<string, NamedPolicy>;
  readonly warnings: readonly string[];
} {
  const policies = new Map<string, NamedPolicy>();
  const warnings: string[] = [];
  for (const [feature, value] of features) {
    if (!feature.startsWith(FEATURE.policyPrefix)) continue;
    const name = feature.slice(FEATURE.policyPrefix.length);
    try {
      assertPolicyName(name);
      const reading = POLICY_VALUE.parse(value);
      policies.set(name, reading.policy);
      warnings.push(...reading.warnings.map((text) => `${feature} of dom0: ${text}`));
    } catch (error) {
      warnings.push(`${feature} of dom0 is not used: ${messageOf(error)}`);
    }
  }
  return { policies, warnings };
}
