// Owns the way between a value of `key=value` tokens and what it means: one table of fields for the reader and the writer.
import { messageOf, QosError } from './errors.js';
import { quote } from './quote.js';
import { knownTokens } from './tokens.js';

/** What a value says, and one warning for each key that this version does not know. */
export interface TokenReading<T> {
  readonly policy: T;
  readonly warnings: readonly string[];
}

/** Both ways of one value. */
export interface TokenCodec<T> {
  /** An unknown key is a warning. @throws QosError('policy') for anything else: then nothing of the value counts */
  readonly parse: (value: string) => TokenReading<T>;
  /** Tokens in the order of the fields; parse reads them back to the same. @throws QosError('policy') */
  readonly format: (policy: T) => string;
}

/** One token: how it is read and written. What is thrown is the message of a fault. */
export interface TokenField<T> {
  readonly parse: (text: string) => T;
  readonly format: (value: T) => string;
}

/** The fields by key, in the order in which they are written; each may be absent. */
export type TokenFields<T> = { readonly [Key in keyof T]-?: TokenField<Exclude<T[Key], undefined>> };

/** One thing that is wrong: with a key, or without one with the whole. */
export interface TokenFault {
  readonly key?: string;
  /** What was found; undefined for what was to be written. */
  readonly text?: string;
  readonly message: string;
}

/** @param assert - looks at the whole, when nothing is wrong with its parts. */
export function tokenCodec<T extends object>(
  fields: TokenFields<T>,
  assert: (policy: T) => void = () => undefined,
): TokenCodec<T> {
  const assertWhole = (policy: T, found: readonly TokenFault[]): void => {
    const faults = found.length > 0 ? found : faultsOf(() => assert(policy));
    if (faults.length > 0) throw new QosError('policy', `${faults.map(describe).join('; ')}.`);
  };
  return {
    parse: (value) => {
      const { policy, warnings, faults } = readTokens(value, fields);
      assertWhole(policy, faults);
      return { policy, warnings };
    },
    format: (policy) => {
      const { text, faults } = writeTokens(policy, fields);
      assertWhole(policy, faults);
      return text;
    },
  };
}

/** Reads the tokens that have a field. @throws QosError('policy') for a token that is not key=value, or a key given twice */
export function readTokens<T extends object>(
  value: string,
  fields: TokenFields<T>,
): TokenReading<T> & { readonly faults: readonly TokenFault[] } {
  const { tokens, warnings } = knownTokens(value, Object.keys(fields));
  const policy: Record<string, unknown> = {};
  const faults = entriesOf(fields).flatMap(([key, { parse }]) => {
    const text = tokens[key];
    if (text === undefined) return [];
    return faultsOf(() => (policy[key] = parse(text)), { key, text });
  });
  return { policy: policy as T, warnings, faults };
}

/** Writes what readTokens reads back to the same. */
export function writeTokens<T extends object>(
  policy: T,
  fields: TokenFields<T>,
): { readonly text: string; readonly faults: readonly TokenFault[] } {
  const values = new Map<string, unknown>(Object.entries(policy));
  const tokens: string[] = [];
  const faults = entriesOf(fields).flatMap(([key, { parse, format }]) => {
    const value = values.get(key);
    if (value === undefined) return [];
    const write = (): void => {
      const text = format(value);
      parse(text);
      tokens.push(`${key}=${text}`);
    };
    return faultsOf(write, { key });
  });
  const unknown = [...values.keys()].filter((key) => !Object.hasOwn(fields, key));
  if (unknown.length > 0) faults.push({ message: `unknown key ${unknown.map(quote).join(', ')}` });
  return { text: tokens.join(' '), faults };
}

/** A token that is one of a few words. */
export function wordField<Word extends string>(words: readonly Word[], expected: string): TokenField<Word> {
  return {
    parse: (text) => {
      const word = words.find((one) => one === text);
      if (word === undefined) throw new QosError('policy', `expected ${expected}.`);
      return word;
    },
    format: (word) => word,
  };
}

function entriesOf<T extends object>(fields: TokenFields<T>): [string, TokenField<unknown>][] {
  return Object.entries(fields) as [string, TokenField<unknown>][];
}

function faultsOf(action: () => unknown, where: Pick<TokenFault, 'key' | 'text'> = {}): TokenFault[] {
  try {
    action();
    return [];
  } catch (error) {
    return [{ ...where, message: messageOf(error) }];
  }
}

function describe({ key, text, message }: TokenFault): string {
  const clause = message.replace(/\.$/, '');
  if (key === undefined) return clause;
  return text === undefined ? `${key}: ${clause}` : `${key}=${quote(text)}: ${clause}`;
}
