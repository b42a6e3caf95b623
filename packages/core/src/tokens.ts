// Owns the text form `key=value key=value` that several vm-config values share.
import { QosError } from './errors.js';
import { quote } from './quote.js';

/**
 * Splits a value at its spaces; an empty value has no tokens.
 * @throws QosError('policy') for a token that is not key=value, or a key given twice.
 */
export function splitTokens(value: string): Map<string, string> {
  const tokens = new Map<string, string>();
  for (const token of value.split(' ').filter((part) => part !== '')) {
    const equals = token.indexOf('=');
    if (equals <= 0) throw new QosError('policy', `${quote(token)}: expected key=value, as in up=20mbit.`);
    const key = token.slice(0, equals);
    if (tokens.has(key)) throw new QosError('policy', `${quote(key)} is given twice: expected once.`);
    tokens.set(key, token.slice(equals + 1));
  }
  return tokens;
}

/** The tokens whose keys are known, and one warning for each of the others. */
export function knownTokens(
  value: string,
  known: readonly string[],
): { readonly tokens: Record<string, string>; readonly warnings: string[] } {
  const all = [...splitTokens(value)];
  return {
    tokens: Object.fromEntries(all.filter(([key]) => known.includes(key))),
    warnings: all
      .filter(([key]) => !known.includes(key))
      .map(([key]) => `unknown key ${quote(key)} ignored: this version knows ${known.join(', ')}.`),
  };
}
