// Owns what the words of `qvm-qos rule` after the name of the qube mean. Pure.
import { QosError } from '@qubes-qos/core/errors';
import { parseOwnRules, type QosRule } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import { fromOption } from './options.js';

/** As it is typed after the name of the qube. */
export interface RuleWords {
  readonly action: string | undefined;
  readonly words: readonly string[];
  readonly before?: string;
}

/** What is asked for. */
export type Wanted =
  | { readonly action: 'list' }
  | { readonly action: 'reset' }
  | { readonly action: 'add'; readonly rules: readonly QosRule[]; readonly before: number | undefined }
  | { readonly action: 'del'; readonly rule: QosRule | number };

/** @throws QosError('usage') */
export function readRuleWords({ action = 'list', words, before }: RuleWords): Wanted {
  if (before !== undefined && action !== 'add')
    throw new QosError('usage', 'argument --before: only allowed with add');
  switch (action) {
    case 'list':
    case 'reset':
      if (words.length > 0)
        throw new QosError('usage', `${quote(words[0] ?? '')}: nothing comes after ${action}`);
      return { action };
    case 'add': {
      const text = onlyWord(words, 'RULE');
      const rules = fromOption('RULE', () => parseOwnRules(text));
      if (rules.length === 0) throw new QosError('usage', 'argument RULE: no rule, as in user:backup -> cs1');
      return { action, rules, before: before === undefined ? undefined : asNumber(before) };
    }
    case 'del': {
      const text = onlyWord(words, 'N or RULE');
      if (/^\d+$/.test(text)) return { action, rule: Number(text) };
      const [first, ...more] = fromOption('RULE', () => parseOwnRules(text));
      if (first !== undefined && more.length === 0) return { action, rule: first };
      throw new QosError('usage', 'argument RULE: expected one rule, or its number');
    }
    default:
      throw new QosError('usage', `unknown action ${quote(action)}: expected list, add, del or reset`);
  }
}

/** A shell takes `>` for itself, so that a rule without quotes comes in pieces and without its class. */
function onlyWord(words: readonly string[], what: string): string {
  const [word, ...more] = words;
  if (word === undefined) throw new QosError('usage', `the following arguments are required: ${what}`);
  if (more.length === 0) return word;
  throw new QosError(
    'usage',
    `${words.length} words, ${words.map(quote).join(' ')}: expected ${what} in quotes, as in 'user:backup -> cs1'`,
  );
}

function asNumber(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new QosError('usage', `argument --before: ${quote(text)}: expected the number of a rule, from 1`);
}
