// Owns formulas such as `0.5*rate/8`: numbers, names, + - * / and parentheses. Nothing is executed.
import { QosError } from '../errors.js';
import { quote } from '../quote.js';

/** The value of a name, or undefined when there is none of this name. */
export type NameLookup = (name: string) => number | undefined;

/**
 * The value of a formula.
 * @param known - the names for the message when one is unknown.
 * @throws QosError('config') for anything that is no formula, for an unknown name, and for a division by zero.
 */
export function evaluateFormula(text: string, lookup: NameLookup, known: readonly string[]): number {
  const tokens = tokensOf(text);
  let next = 0;
  const fail = (what: string): never => {
    throw new QosError('config', `formula ${quote(text)}: ${what}`);
  };
  const sum = (): number => {
    let value = product();
    while (tokens[next] === '+' || tokens[next] === '-') {
      const isPlus = tokens[next++] === '+';
      const operand = product();
      value = isPlus ? value + operand : value - operand;
    }
    return value;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[next] === '*' || tokens[next] === '/') {
      const isTimes = tokens[next++] === '*';
      const operand = factor();
      if (!isTimes && operand === 0) fail('divides by zero');
      value = isTimes ? value * operand : value / operand;
    }
    return value;
  };
  const factor = (): number => {
    const token = tokens[next++];
    if (token === '-') return -factor();
    if (token === '(') {
      const value = sum();
      return tokens[next++] === ')' ? value : fail('found no ")" where one is expected');
    }
    if (token !== undefined && /^[\d.]/.test(token)) return Number(token);
    if (token !== undefined && /^[A-Za-z_]/.test(token)) {
      return lookup(token) ?? fail(`unknown value ${quote(token)}: expected ${known.join(', ')}`);
    }
    return fail(`found ${token === undefined ? 'its end' : quote(token)}, expected a number or a name`);
  };
  const value = sum();
  if (next < tokens.length) fail(`found ${quote(tokens[next] ?? '')}, expected + - * / or the end`);
  return Number.isFinite(value) ? value : fail('is not a finite number');
}

function tokensOf(text: string): string[] {
  return text.match(/\d+(?:\.\d+)?|\.\d+|[A-Za-z_][\w]*|\S/g) ?? [];
}
