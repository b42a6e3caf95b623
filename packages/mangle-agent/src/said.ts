// Owns what dom0 says to this qube: which keys of QubesDB count, and what policy they make.
import type { ClassName } from '@qubes-qos/core/classes';
import {
  parseClassPolicy,
  parseRulesPolicy,
  type ClassPolicy,
  type RulesPolicy,
} from '@qubes-qos/core/policy';
import type { QosRule } from '@qubes-qos/core/qos-rules';
import { VM_CONFIG, VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';

/** The QubesDB key of this qube's own class. */
export const POLICY_PATH = `${VM_CONFIG_PATH_PREFIX}${VM_CONFIG.dscp}`;

/** The QubesDB key of this qube's own rules. */
export const RULES_PATH = `${VM_CONFIG_PATH_PREFIX}${VM_CONFIG.rules}`;

/** The QubesDB keys of what a policy of dom0 gives to this qube: each counts where there is no own one. */
const POLICY_CLASS_PATH = `${VM_CONFIG_PATH_PREFIX}${VM_CONFIG.policyClass}`;
const POLICY_RULES_PATH = `${VM_CONFIG_PATH_PREFIX}${VM_CONFIG.policyRules}`;

/** What dom0 says, and where. */
export interface Said {
  readonly path: string;
  readonly policy: ClassPolicy;
  readonly rulesPath: string;
  readonly rules: RulesPolicy;
}

/** A policy that can be put in force: rules, and the class of what none of them matches. */
export interface ValidPolicy {
  /** `none` for an absent or empty key. */
  readonly className: ClassName | 'none';
  readonly rules: readonly QosRule[];
}

interface Readable {
  read: (path: string) => Promise<Uint8Array | undefined>;
}

/** Reads it. An own key that is empty or invalid ranks above a policy, too; class and rules each for themselves. */
export async function readSaid(db: Readable): Promise<Said> {
  const [path, className] = await firstOf(db, POLICY_PATH, POLICY_CLASS_PATH);
  const [rulesPath, rules] = await firstOf(db, RULES_PATH, POLICY_RULES_PATH);
  return { path, policy: parseClassPolicy(className), rulesPath, rules: parseRulesPolicy(rules) };
}

async function firstOf(db: Readable, own: string, given: string): Promise<[string, Uint8Array | undefined]> {
  const ownValue = await db.read(own);
  const givenValue = ownValue === undefined ? await db.read(given) : undefined;
  return givenValue === undefined ? [own, ownValue] : [given, givenValue];
}

/**
 * The policy that follows. For what is invalid the last valid one of this boot stays, each for itself; undefined when
 * there was no valid class: then the kernel stays as it is. Without valid rules there are none.
 */
export function decide(said: Said, last: ValidPolicy | undefined): ValidPolicy | undefined {
  const className = classSaid(said.policy) ?? last?.className;
  const rules = rulesSaid(said.rules) ?? last?.rules ?? [];
  return className === undefined ? undefined : { className, rules };
}

/** What is said when it is valid. */
function classSaid(policy: ClassPolicy): ValidPolicy['className'] | undefined {
  if (policy.state === 'invalid') return undefined;
  return policy.state === 'class' ? policy.className : 'none';
}

function rulesSaid(rules: RulesPolicy): readonly QosRule[] | undefined {
  if (rules.state === 'invalid') return undefined;
  return rules.state === 'rules' ? rules.rules : [];
}

/** Whether all that is said can be put in force. */
export function isValid({ policy, rules }: Said): boolean {
  return policy.state !== 'invalid' && rules.state !== 'invalid';
}
