// Owns which qubes a command line names: names, shell wildcards, --all and --exclude, as in the qvm-* tools.
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import type { ListedQube } from './qubesd/admin.js';

/** What the user wrote to name qubes. */
export interface Selection {
  /** Names, or patterns with `*`, `?`, `[abc]`, `[!abc]`. */
  readonly names: readonly string[];
  /** Every qube but dom0. */
  readonly all?: boolean;
  /** Names or patterns; only with `all`. */
  readonly exclude?: readonly string[];
}

/** Classes of qubes that cannot have a traffic class, and why. */
const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ['AdminVM', 'it is dom0, which has no network'],
  ['RemoteVM', 'it is a RemoteVM, whose packets are sent by another machine'],
]);

/**
 * Looks at the words alone, so that a wrong command line is told apart from a qubesd that is not there.
 * @throws QosError('usage')
 */
export function assertSelection({ names, all = false, exclude = [] }: Selection): void {
  if (all && names.length > 0) throw new QosError('usage', 'argument VM: not allowed with argument --all');
  if (!all && exclude.length > 0) throw new QosError('usage', '--exclude can only be used with --all');
  if (!all && names.length === 0) throw new QosError('usage', 'one of the arguments --all VM is required');
}

/**
 * The qubes that are meant, in the order in which they are named, each once. A qube that cannot have a traffic
 * class is refused when it is named, and left out when a pattern or --all matches it.
 * @throws QosError of kind no-such-domain or unsupported; nothing has been changed then
 */
export function selectQubes(listed: readonly ListedQube[], selection: Selection): ListedQube[] {
  const { names, all = false, exclude = [] } = selection;
  const excluded = new Set(
    exclude.flatMap((name) => (isPattern(name) ? match(listed, name) : [find(listed, name)])),
  );
  const chosen = all ? listed.filter(isSupported) : names.flatMap((name) => choose(listed, name));
  return [...new Set(chosen)].filter((qube) => !excluded.has(qube));
}

/** The one qube of that name. @throws QosError('no-such-domain') */
export function find(listed: readonly ListedQube[], name: string): ListedQube {
  const qube = listed.find((candidate) => candidate.name === name);
  if (!qube) throw new QosError('no-such-domain', `no such domain: ${inSingleQuotes(name)}`);
  return qube;
}

/** @throws QosError('unsupported') for dom0 and for a RemoteVM */
export function assertSupported({ name, klass }: ListedQube, what = 'a class'): void {
  const reason = UNSUPPORTED.get(klass);
  if (reason !== undefined) throw new QosError('unsupported', `${name} cannot have ${what}: ${reason}.`);
}

function choose(listed: readonly ListedQube[], name: string): ListedQube[] {
  if (!isPattern(name)) {
    const qube = find(listed, name);
    assertSupported(qube);
    return [qube];
  }
  const matching = match(listed, name).filter(isSupported);
  if (matching.length === 0) {
    throw new QosError('no-such-domain', `no domain matches ${inSingleQuotes(name)}`);
  }
  return matching;
}

function isSupported({ klass }: ListedQube): boolean {
  return !UNSUPPORTED.has(klass);
}

function isPattern(name: string): boolean {
  return /[*?[\]]/.test(name);
}

function match(listed: readonly ListedQube[], pattern: string): ListedQube[] {
  const expression = new RegExp(`^${toRegularExpression(pattern)}$`);
  return listed.filter(({ name }) => expression.test(name));
}

/** A `[` without its `]` is an ordinary character, as in a shell. */
function toRegularExpression(pattern: string): string {
  return pattern.replaceAll(/\[(!?)(\]?[^\]]*)\]|[^]/g, (part: string, not?: string, set?: string) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    if (set === undefined || set === '') return escape(part);
    return `[${not === '!' ? '^' : ''}${toCharacterClass(set)}]`;
  });
}

/** A range from high to low holds nothing, where a regular expression would be an error. */
function toCharacterClass(set: string): string {
  return set.replaceAll(/([^])-([^])|[^]/g, (part: string, from?: string, to?: string) => {
    if (from === undefined || to === undefined) return escape(part);
    return from > to ? '' : `${escape(from)}-${escape(to)}`;
  });
}

function escape(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9]/g, '\\$&');
}

/** As Python shows a string, which is what the qvm-* tools print. */
function inSingleQuotes(text: string): string {
  return `'${quote(text).slice(1, -1).replaceAll('\\"', '"')}'`;
}
