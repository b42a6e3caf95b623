// Owns the sentence for what zod finds wrong: key, what was found, what is expected. zod/mini brings no words of its own.
import type * as z from 'zod/mini';
import { quote } from './quote.js';

type Issue = z.core.$ZodIssue;

/**
 * One clause for each issue, joined by semicolons.
 * @param value - what was parsed, to show what was found.
 */
export function describeIssues(issues: readonly Issue[], value: unknown): string {
  return issues.map((issue) => describeIssue(issue, value)).join('; ');
}

function describeIssue(issue: Issue, value: unknown): string {
  const key = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return `unknown key ${issue.keys.map(quote).join(', ')} in ${key === '' ? 'the file' : `[${key}]`}`;
  }
  const where = key === '' ? '' : `${key}: `;
  const expected = expectation(issue);
  if (expected === undefined) return where + issue.message.replace(/\.$/, '');
  return `${where}found ${shown(at(value, issue.path))}, expected ${expected}`;
}

/** What TOML calls them. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['array', 'a list'],
  ['object', 'a table'],
  ['record', 'a table'],
]);

/** What is expected instead, or undefined when the message of the issue says it all. */
function expectation(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return KINDS.get(issue.expected) ?? `a ${issue.expected}`;
    case 'too_small':
      return `at least ${String(issue.minimum)}`;
    case 'too_big':
      return `at most ${String(issue.maximum)}`;
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'another key';
    default:
      return undefined;
  }
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : 'a table';
}
