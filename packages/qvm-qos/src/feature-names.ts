// Owns the names of all features that qvm-qos reads or writes, and which of them are whose.
import { CLIENT_PREFIX, QOS_FEATURE, VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from '@qubes-qos/core/vm-config';

/** Names of features by what they are. */
export const FEATURE = {
  class: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.dscp,
  rules: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.rules,
  uplink: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.uplink,
  enforce: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.enforce,
  policyClass: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.policyClass,
  policyRules: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.policyRules,
  clientPrefix: VM_CONFIG_FEATURE_PREFIX + CLIENT_PREFIX,
  ...QOS_FEATURE,
} as const;

const INTENT: readonly string[] = [FEATURE.class, FEATURE.rules, FEATURE.limit, FEATURE.attach];

/** True for a feature that says what a user wants of a qube. */
export function isIntent(feature: string): boolean {
  return INTENT.includes(feature);
}

/** What a policy gives to a qube. */
export const OF_POLICY: readonly string[] = [FEATURE.policyClass, FEATURE.policyRules];

/** True for a feature that follows from others: it is written and removed by publication alone. */
export function isDerived(feature: string): boolean {
  return OF_POLICY.includes(feature) || feature.startsWith(FEATURE.clientPrefix);
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
