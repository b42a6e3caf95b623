// Owns the way between a value of `key=value` tokens and what it means: one schema for the reader and the writer.
import * as z from 'zod/mini';
import { asIssue } from './as-issue.js';
import { QosError } from './errors.js';
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
  /** Tokens in the order of the schema; parse reads them back to the same. @throws QosError('policy') */
  readonly format: (policy: T) => string;
}

type Tokens = Readonly<Record<string, string>>;

/** The codec of a schema from tokens to their meaning. */
export function tokenCodec<T extends object>(
  schema: z.ZodMiniType<T, object>,
  keys: readonly string[],
): TokenCodec<T> {
  return {
    parse: (value) => {
      const { tokens, warnings } = knownTokens(value, keys);
      const result = z.safeDecode(schema, tokens);
      if (!result.success) throw fault(result.error.issues, tokens);
      return { policy: result.data, warnings };
    },
    format: (policy) => {
      const result = z.safeEncode(schema, policy);
      if (!result.success) throw fault(result.error.issues, {});
      const texts = new Map(Object.entries(result.data) as [string, string][]);
      return keys.flatMap((key) => (texts.has(key) ? [`${key}=${texts.get(key) ?? ''}`] : [])).join(' ');
    },
  };
}

/** A token that a function reads and another writes; what `parse` throws is the message. */
export function parsedToken<T>(parse: (text: string) => T, format: (value: T) => string) {
  const isThere = z.custom<T>((value) => value !== undefined);
  return z.codec(z.string(), isThere, {
    decode: asIssue(parse),
    // zod encodes an object once without checks, absent keys too, before it does so with them.
    encode: (value: T | undefined) => (value === undefined ? '' : format(value)),
  });
}

function fault(issues: readonly z.core.$ZodIssue[], tokens: Tokens): QosError {
  const faults = issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') return `unknown key ${issue.keys.map(quote).join(', ')}`;
    const key = issue.path.map(String).join('.');
    const found = tokens[key] === undefined ? key : `${key}=${quote(tokens[key])}`;
    const message = issue.message.replace(/\.$/, '');
    return key === '' ? message : `${found}: ${message}`;
  });
  return new QosError('policy', `${faults.join('; ')}.`);
}
