// Owns `qvm-qos rule`: rules inside a qube, as the feature vm-config.qos-rules.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { formatRule, formatRules, parseOwnRules, parseRules, type QosRule } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import type { Advice } from '../advice.js';
import { FEATURE } from '../feature-names.js';
import { TOLD_NOTHING, tellNetvms } from '../publish/tell.js';
import { listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { rememberingOthers } from '../qubesd/asked-once.js';
import { getFeature, removeFeature, replaceFeature } from '../qubesd/features.js';
import type { RuleResult, Telling } from '../results.js';
import { adviseOnRules } from '../rule-advice.js';
import { readRuleWords, type RuleWords, type Wanted } from '../rule-words.js';
import { assertSupported, find } from '../select-qubes.js';

/** What there is. */
interface Stored {
  readonly value: string | undefined;
  /** The rules that a policy gives, as the qube is told. */
  readonly policyRules: readonly string[];
}

const NO_ADVICE: Advice = { warnings: [], notes: [] };

/**
 * Shows or changes the rules of a qube.
 * @throws QosError of kind usage, no-such-domain, unsupported for a qube that sends no packets here, or policy
 */
export async function rule(call: AdminCall, name: string, typed: RuleWords): Promise<RuleResult> {
  const wanted = readRuleWords(typed);
  const qube = find(await listQubes(call), name);
  assertSupported(qube, 'rules');
  const [value, given = ''] = await Promise.all([
    getFeature(call, name, FEATURE.rules),
    getFeature(call, name, FEATURE.policyRules),
  ]);
  const stored: Stored = { value, policyRules: textsOf(given) };
  if (wanted.action === 'list') return show(name, stored);
  if (wanted.action === 'reset') return write(call, qube, { action: 'reset', stored, rules: [] });
  const rules = storedRules(name, value);
  if (wanted.action === 'del')
    return write(call, qube, { action: 'del', stored, rules: without(name, rules, wanted.rule) });
  return write(call, qube, { action: 'add', stored, rules: withRules(name, rules, wanted) });
}

/** @throws QosError('policy') for what this version cannot read whole: it would be lost */
function storedRules(name: string, value: string | undefined): readonly QosRule[] {
  try {
    return parseOwnRules(value ?? '');
  } catch (error) {
    throw new QosError(
      'policy',
      `${FEATURE.rules} of ${name} cannot be read, so that it was not changed: ${messageOf(error).replace(/\.$/, '')}; to clear it: qvm-qos rule ${name} reset`,
      { cause: error },
    );
  }
}

/** @throws QosError('policy') for a number that no rule has, and for more rules than there can be */
function withRules(
  name: string,
  rules: readonly QosRule[],
  { rules: added, before }: Extract<Wanted, { action: 'add' }>,
): readonly QosRule[] {
  if (before !== undefined) assertNumber(name, rules, before);
  const at = before === undefined ? rules.length : before - 1;
  const all = rules.toSpliced(at, 0, ...added);
  try {
    return parseOwnRules(formatRules(all));
  } catch (error) {
    throw new QosError('policy', `${name}: ${messageOf(error).replace(/\.$/, '')}; nothing was changed.`, {
      cause: error,
    });
  }
}

/** The first that is the same; a number counts from 1. @throws QosError('policy') when there is none */
function without(name: string, rules: readonly QosRule[], which: QosRule | number): readonly QosRule[] {
  if (typeof which === 'number') {
    assertNumber(name, rules, which);
    return rules.toSpliced(which - 1, 1);
  }
  const text = formatRule(which);
  const at = rules.findIndex((one) => formatRule(one) === text);
  if (at >= 0) return rules.toSpliced(at, 1);
  throw new QosError(
    'policy',
    `${name} has not the rule ${quote(text)}; to see what it has: qvm-qos rule ${name}`,
  );
}

function assertNumber(name: string, rules: readonly QosRule[], number: number): void {
  if (number >= 1 && number <= rules.length) return;
  const there =
    rules.length === 0 ? 'it has none' : `expected ${rules.length === 1 ? '1' : `1 to ${rules.length}`}`;
  throw new QosError('policy', `${name} has no rule ${number}: ${there}.`);
}

function show(name: string, { value, policyRules }: Stored): RuleResult {
  try {
    const { rules, warnings } = parseRules(value ?? '');
    return resultOf(
      'list',
      name,
      { value, rules, policyRules },
      {
        warnings: warnings.map((text) => `${FEATURE.rules} of ${name}: ${text}`),
      },
    );
  } catch (error) {
    throw new QosError('policy', `${FEATURE.rules} of ${name}: ${messageOf(error)}`, { cause: error });
  }
}

interface Change {
  readonly action: 'add' | 'del' | 'reset';
  readonly stored: Stored;
  readonly rules: readonly QosRule[];
}

async function write(
  call: AdminCall,
  qube: ListedQube,
  { action, stored, rules }: Change,
): Promise<RuleResult> {
  const { name } = qube;
  const value = rules.length === 0 ? undefined : formatRules(rules);
  if (value === undefined) await removeFeature(call, name, FEATURE.rules);
  else await replaceFeature(call, { qube: name, feature: FEATURE.rules, value, before: stored.value });
  const before = new Map([[name, new Map([[FEATURE.rules, stored.value]])]]);
  const reading = rememberingOthers(call);
  const [told, advice] = await Promise.all([
    tellNetvms(call, 'concerned', { before, reading }),
    action === 'add' ? adviseOnRules(reading, qube) : NO_ADVICE,
  ]);
  return resultOf(
    action,
    name,
    { value, rules, policyRules: stored.policyRules },
    {
      ...told,
      warnings: [...advice.warnings, ...told.warnings],
      notes: [...advice.notes, ...told.notes, ...noteOnPolicy(name, stored, value)],
    },
  );
}

/** Own rules and those of a policy are never in force together, which who adds one may not expect. */
function noteOnPolicy(
  name: string,
  { value: before, policyRules }: Stored,
  value: string | undefined,
): string[] {
  if (policyRules.length === 0 || (before === undefined) === (value === undefined)) return [];
  return [
    value === undefined
      ? `${name}: it has no rules of its own now: those of its policy count.`
      : `${name}: it has rules of its own now: those of its policy count no more.`,
  ];
}

function textsOf(value: string): string[] {
  try {
    return parseRules(value).rules.map(formatRule);
  } catch {
    // Whatever somebody else wrote there: publication makes it right.
    return [];
  }
}

interface Outcome {
  readonly value: string | undefined;
  readonly rules: readonly QosRule[];
  readonly policyRules: readonly string[];
}

function resultOf(
  action: RuleResult['action'],
  qube: string,
  { value, rules, policyRules }: Outcome,
  told: Partial<Telling>,
): RuleResult {
  return {
    ...{ command: 'rule', action, qube, value: value ?? null, rules: rules.map(formatRule), policyRules },
    ...TOLD_NOTHING,
    ...told,
  };
}
