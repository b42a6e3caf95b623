// Owns what rates, shares, sizes and named values of a tree come to.
import { messageOf } from '../errors.js';
import { quote } from '../quote.js';
import { bitsPerSecond, formatRate, parseRate, type BitsPerSecond } from '../rate.js';
import type { NamedValue, RateConfig, Share, SizeConfig, TreesConfig } from './config.js';
import { TreeFault } from './fault.js';
import { evaluateFormula } from './formula.js';
import { parseSize } from './quantities.js';

/** What values are resolved with. */
export interface ValueContext {
  readonly config: TreesConfig;
  /** Rate that an interface may use, by name or alias; undefined when it has none. */
  readonly rateOf: (interfaceName: string) => BitsPerSecond | undefined;
}

const NAME = /^[A-Za-z]\w*$/;

/**
 * A rate in bits per second, in whole bytes.
 * @param parent - what a share is a part of; undefined where there is no parent.
 */
export function resolveRate(
  value: RateConfig,
  parent: BitsPerSecond | undefined,
  path: readonly string[],
  context: ValueContext,
): BitsPerSecond {
  const said = typeof value === 'string' && NAME.test(value) ? namedValue(value, path, context) : value;
  if (typeof said === 'number') {
    throw new TreeFault(path, `found the number ${said}: expected a rate with its unit, as in "512kbit"`);
  }
  const percent = typeof said === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(said)?.[1] : undefined;
  if (typeof said === 'string' && percent === undefined) return attempt(path, () => whole(parseRate(said)));
  const share: Share = typeof said === 'string' ? { percent: Number(percent) } : said;
  return shareOf(share, parent, path, context);
}

function shareOf(
  { percent, min, max, of }: Share,
  parent: BitsPerSecond | undefined,
  path: readonly string[],
  context: ValueContext,
): BitsPerSecond {
  if (!(percent > 0 && percent <= 100))
    throw new TreeFault(path, `found ${percent} %, expected more than 0 % and at most 100 %`);
  const whose = of === undefined ? parent : context.rateOf(of);
  if (whose === undefined) {
    const why =
      of === undefined
        ? 'there is no rate to take a part of: set up in [line] or [interface.NAME], or rate in the tree'
        : `interface ${quote(of)} has no rate: set up in [interface.${of}]`;
    throw new TreeFault(path, `${percent} %: ${why}`);
  }
  const least = min === undefined ? 0 : attempt(path, () => parseRate(min));
  const most = max === undefined ? whose : attempt(path, () => parseRate(max));
  if (least > most) {
    throw new TreeFault(
      path,
      `min of ${formatRate(bitsPerSecond(least))}: expected at most max, which is ${formatRate(bitsPerSecond(most))}`,
    );
  }
  return attempt(path, () => whole(bitsPerSecond(Math.min(Math.max((whose * percent) / 100, least), most))));
}

/** The variables of the formulas of one class. */
export type FormulaVariables = Readonly<Record<string, number>>;

/** A size in bytes, at least one. */
export function resolveSize(
  value: SizeConfig,
  variables: FormulaVariables,
  path: readonly string[],
  context: ValueContext,
): number {
  const bytes = sizeOf(value, variables, path, context);
  if (bytes < 1 || bytes > 0xffff_ffff) {
    throw new TreeFault(path, `${quote(String(value))} comes to ${bytes} bytes: expected 1 to 4294967295`);
  }
  return bytes;
}

function sizeOf(
  value: SizeConfig,
  variables: FormulaVariables,
  path: readonly string[],
  context: ValueContext,
): number {
  if (typeof value === 'number') return Math.round(value);
  if (/^\d+(\.\d+)?[A-Za-z]+$/.test(value)) return attempt(path, () => parseSize(value));
  return Math.round(formula(value, variables, path, context, []));
}

function formula(
  text: string,
  variables: FormulaVariables,
  path: readonly string[],
  context: ValueContext,
  within: readonly string[],
): number {
  const names = [...Object.keys(variables), ...Object.keys(context.config.values)];
  const lookup = (name: string): number | undefined => {
    if (Object.hasOwn(variables, name)) return variables[name];
    if (!Object.hasOwn(context.config.values, name)) return undefined;
    if (within.includes(name)) {
      throw new TreeFault(['values', name], `refers to itself: ${[...within, name].join(' -> ')}`);
    }
    return numberOf(name, context.config.values[name] ?? 0, variables, path, context, [...within, name]);
  };
  return attempt(path, () => evaluateFormula(text, lookup, names));
}

function numberOf(
  name: string,
  value: NamedValue,
  variables: FormulaVariables,
  path: readonly string[],
  context: ValueContext,
  within: readonly string[],
): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.endsWith('%')) {
    throw new TreeFault(path, `value ${quote(name)} is a share: a formula takes numbers, rates and formulas`);
  }
  if (/^\d+(\.\d+)?[kmg]?bit$/.test(value)) return attempt(['values', name], () => parseRate(value));
  return formula(value, variables, path, context, within);
}

/** Follows names to what they stand for. */
function namedValue(name: string, path: readonly string[], { config }: ValueContext): NamedValue {
  const seen: string[] = [];
  let value: NamedValue = name;
  while (typeof value === 'string' && NAME.test(value)) {
    if (!Object.hasOwn(config.values, value)) {
      const known = Object.keys(config.values);
      throw new TreeFault(
        seen.length === 0 ? path : ['values', seen.at(-1) ?? ''],
        `unknown value ${quote(value)}: expected a rate such as "512kbit", or ${known.length === 0 ? 'a name from [values], which has none' : known.join(', ')}`,
      );
    }
    if (seen.includes(value)) {
      throw new TreeFault(['values', value], `refers to itself: ${[...seen, value].join(' -> ')}`);
    }
    seen.push(value);
    value = config.values[value] ?? 0;
  }
  return value;
}

/** tc keeps whole bytes per second. */
function whole(rate: number): BitsPerSecond {
  return bitsPerSecond(Math.max(8, Math.floor(rate / 8) * 8));
}

function attempt<T>(path: readonly string[], action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof TreeFault) throw error;
    throw new TreeFault(path, messageOf(error).replace(/\.$/, ''));
  }
}
