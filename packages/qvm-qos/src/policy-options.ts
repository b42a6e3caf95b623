// Owns the rules of a policy on the command line: what is named changes, `off` takes a rule away.
import { classNameList, isClassName, type ClassName } from '@qubes-qos/core/classes';
import { QosError } from '@qubes-qos/core/errors';
import type { NamedPolicy } from '@qubes-qos/core/named-policy';
import { parseRuleList, type QosRule } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import { mergeLimits, readWantedLimits, type LimitOptions, type WantedLimits } from './limit-options.js';
import { fromOption } from './options.js';

/** As it is typed. What is not named stays as it was. */
export interface RuleOptions extends LimitOptions {
  readonly class?: string;
  /** Rules inside each qube, in order; together they replace those before. */
  readonly rule?: readonly string[];
  /** False for `--no-rules`: all go. */
  readonly rules?: boolean;
}

/** As it is meant. */
export interface WantedRules {
  readonly class: ClassName | 'off' | undefined;
  readonly limits: WantedLimits;
  readonly rules: readonly QosRule[] | 'off' | undefined;
}

/** @throws QosError('usage') that names the option */
export function readRules({ class: text, rule, ...limits }: RuleOptions): WantedRules {
  return {
    class: text === undefined ? undefined : fromOption('--class', () => asClass(text)),
    limits: readWantedLimits(limits),
    rules: rule === undefined ? undefined : fromOption('--rule', () => asRules(rule)),
  };
}

/** The policy as it is meant to be. */
export function mergeRules(
  { class: classBefore, tags, rules: rulesBefore, ...limits }: NamedPolicy,
  wanted: WantedRules,
): NamedPolicy {
  const className = wanted.class ?? classBefore;
  const rules = wanted.rules ?? rulesBefore;
  return {
    ...(className === undefined || className === 'off' ? {} : { class: className }),
    ...mergeLimits(limits, wanted.limits),
    ...(tags === undefined ? {} : { tags }),
    ...(rules === undefined || rules === 'off' ? {} : { rules }),
  };
}

function asClass(text: string): ClassName | 'off' {
  if (text === 'off' || isClassName(text)) return text;
  throw new QosError('policy', `unknown class ${quote(text)}: expected ${classNameList()}, or off`);
}

function asRules(texts: readonly string[]): readonly QosRule[] | 'off' {
  if (!texts.includes('off')) return parseRuleList(texts);
  if (texts.length === 1) return 'off';
  throw new QosError('policy', 'off takes all rules inside the qubes away: not allowed with other rules');
}
