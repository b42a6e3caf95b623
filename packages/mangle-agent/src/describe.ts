// Owns what became of a policy, and the sentences for people: what dom0 says, and what packets get.
import { classOf } from '@qubes-qos/core/classes';
import type { ClassPolicy, RulesPolicy } from '@qubes-qos/core/policy';
import type { InForce } from './plan.js';
import type { Said } from './said.js';

/** What became of a policy. */
export interface Enforced extends Said {
  /** What packets get now; `altered` is a table that is not of the form that we write. */
  readonly inForce: InForce | 'altered';
  /** One sentence for each rule that does not count now. */
  readonly leftOut: readonly string[];
  readonly isChanged: boolean;
  /** Whether a valid policy decided, be it an earlier one; without any the kernel was left as it was. */
  readonly isDecided: boolean;
}

/** One sentence: what the policy says and what packets get; each of the kinds of policy reads differently. */
export function describeEnforced({
  path,
  policy,
  rulesPath,
  rules,
  inForce,
  isChanged,
  isDecided,
}: Enforced): string {
  const said = [describeClass(path, policy, isDecided), ...describeRules(rulesPath, rules, isDecided)];
  const marks = `${describeMarks(inForce)}${isChanged ? '' : ' (as before)'}`;
  const hints = [
    ...(policy.state === 'invalid' ? [' Set a class with qvm-features in dom0.'] : []),
    ...(rules.state === 'invalid' ? [' Correct the rules in dom0.'] : []),
  ];
  return `${said.join(', ')}: ${marks}.${hints.join('')}`;
}

function describeClass(path: string, policy: ClassPolicy, isDecided: boolean): string {
  if (policy.state === 'class') return `${path} is ${policy.className}`;
  if (policy.state !== 'invalid') return `${path} is ${policy.state}`;
  const kept = isDecided ? 'the last valid policy of this boot stays' : 'there was no valid one since boot';
  return `${path} is invalid, ${policy.reason}; ${kept}`;
}

function describeRules(path: string, rules: RulesPolicy, isDecided: boolean): string[] {
  switch (rules.state) {
    case 'absent':
      return [];
    case 'empty':
      return [`${path} is empty`];
    case 'rules':
      return [`${path} has ${rules.rules.length} ${rules.rules.length === 1 ? 'rule' : 'rules'}`];
    case 'invalid': {
      const kept = isDecided ? '; the last valid rules of this boot stay, if there were any' : '';
      return [`${path} is invalid, ${rules.reason}${kept}`];
    }
  }
}

/** What is in force, in words. */
export function describeMarks(inForce: Enforced['inForce']): string {
  if (inForce === 'altered') return 'our nft table is there, altered by something else';
  const { className, hasRules } = inForce;
  if (className === 'none')
    return hasRules ? 'packets that a rule matches are marked, others leave as they are' : 'no marks';
  const all = `every packet of this qube leaves with DSCP ${classOf(className).dscp}`;
  return hasRules ? `${all}, but those that a rule matches` : all;
}
