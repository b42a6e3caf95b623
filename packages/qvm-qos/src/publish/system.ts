// Owns the snapshot of the machine that publication is computed from: plain data, with no way to ask for more.
import { messageOf } from '@qubes-qos/core/errors';
import { assertPolicyName, POLICY_VALUE, type NamedPolicy } from '@qubes-qos/core/named-policy';
import { FEATURE } from '../feature-names.js';

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
