// Owns `qos.policy.NAME` on dom0: a policy that has a name, its rules, and the tags that it is attached to.
import { CLASS_NAMES, classNameList, type ClassName } from './classes.js';
import { assertUsed, LIMIT_FIELDS, type ClientLimits } from './client-limits.js';
import { QosError } from './errors.js';
import { formatCompactRules, parseOwnRules, type QosRule } from './qos-rules.js';
import { quote } from './quote.js';
import { tokenCodec, wordField } from './token-codec.js';

/** At most one rule of each kind: the class, the limits, and the rules inside each qube. */
export interface NamedPolicy extends ClientLimits {
  readonly class?: ClassName;
  /** The tags whose qubes have this policy, in order, each once. */
  readonly tags?: readonly string[];
  /** Rules inside each qube, at least one. */
  readonly rules?: readonly QosRule[];
}

/** Tags as qubesd takes them (core-admin qubes/tags.py). */
const TAG = /^[A-Za-z0-9_-]{1,64}$/;

/** `class=ef up=5mbit down=20mbit tags=calls,work rules=user:backup->cs1`, each part optional. */
export const POLICY_VALUE = tokenCodec<NamedPolicy>(
  {
    class: wordField(CLASS_NAMES, classNameList()),
    ...LIMIT_FIELDS,
    tags: { parse: parseTags, format: (tags) => tags.join(',') },
    rules: { parse: parsePolicyRules, format: formatCompactRules },
  },
  assertUsed,
);

/**
 * A name is part of a feature's name, and qrexec replaces what is odd in one: what it would make of it is another policy.
 * @throws QosError('policy')
 */
export function assertPolicyName(name: string): void {
  if (/^[A-Za-z][A-Za-z0-9_-]{0,30}$/.test(name)) return;
  throw new QosError(
    'policy',
    `policy name ${quote(name)}: expected a letter and then at most 30 of A-Z a-z 0-9 _ -.`,
  );
}

/** @throws QosError('policy') for what qubesd would not take as a tag */
export function assertTag(tag: string): void {
  if (TAG.test(tag)) return;
  throw new QosError('policy', `tag ${quote(tag)}: expected 1 to 64 of A-Z a-z 0-9 _ -.`);
}

function parseTags(text: string): readonly string[] {
  const tags = text.split(',');
  tags.forEach(assertTag);
  if (new Set(tags).size !== tags.length)
    throw new QosError('policy', `tags ${quote(text)}: expected each once.`);
  return [...tags].sort();
}

function parsePolicyRules(text: string): readonly QosRule[] {
  const rules = parseOwnRules(text);
  if (rules.length === 0) throw new QosError('policy', 'no rule: expected at least one.');
  return rules;
}
