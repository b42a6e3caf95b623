// Owns `vm-config.qos-rules`: which packets of a qube have another class than the qube, as text and as data (design.md 3.3).
import { isIpv4, isIpv6 } from './addresses.js';
import { betterClass, classNameList, isClassName, type ClassName } from './classes.js';
import { QosError } from './errors.js';
import { quote } from './quote.js';
import { canonicalNetwork, isNetwork } from './tc/prefixes.js';

/** Transport protocols that have ports, and the ICMP of both families. */
export const RULE_PROTOCOLS = ['tcp', 'udp', 'sctp', 'dccp', 'icmp'] as const;
export type RuleProtocol = (typeof RULE_PROTOCOLS)[number];

/** A protocol, and which destination ports of it: both ends included, equal for one port. */
export interface ProtocolMatch {
  readonly protocol: RuleProtocol;
  readonly ports?: readonly [first: number, last: number];
}

/** A packet mark that the user's own rules set: `mark & mask == value`. */
export interface MarkMatch {
  readonly value: number;
  readonly mask: number;
}

/** What a packet must be for a rule to count: all that is given. */
export interface RuleMatch {
  /** Unix user that owns the socket: a name, or a number. */
  readonly user?: string | number;
  readonly group?: string | number;
  /** systemd unit whose processes opened the socket, in the system's or a user's manager. */
  readonly unit?: string;
  /** Path below /sys/fs/cgroup; those below it are meant too. */
  readonly cgroup?: string;
  readonly protocol?: ProtocolMatch;
  /** Destination, with its prefix length. */
  readonly to?: string;
  readonly mark?: MarkMatch;
}

/** One rule; of several the first that matches counts. */
export interface QosRule {
  readonly match: RuleMatch;
  readonly class: ClassName;
}

/** What a value says, and one warning for each rule that only a newer version knows. */
export interface RulesReading {
  readonly rules: readonly QosRule[];
  readonly warnings: readonly string[];
}

/** More would be a program, and each packet of the qube walks through them. */
const MAX_RULES = 64;

const MAX_PORT = 65_535;
const MAX_WORD = 0xffff_ffff;

/** What may follow `NAME:`. A new match does not compile until it has its row; the order is that of the text. */
const SELECTORS: {
  readonly [Key in Exclude<keyof RuleMatch, 'protocol'>]-?: (text: string) => NonNullable<RuleMatch[Key]>;
} = {
  user: (text) => accountOf('user', text),
  group: (text) => accountOf('group', text),
  unit: unitOf,
  cgroup: cgroupOf,
  to: networkOf,
  mark: markOf,
};

type SelectorName = keyof typeof SELECTORS;
const SELECTOR_NAMES = Object.keys(SELECTORS) as SelectorName[];

/**
 * Reads `user:alice,udp/3478-3481 -> ef; to:10.0.0.0/8 -> cs1`; nothing for an empty value. A rule with a match
 * that this version does not know is left out with a warning, so that a new dom0 can talk to an old template.
 * @throws QosError('policy') for anything else that is wrong, naming the rule: then nothing of the value counts.
 */
export function parseRules(value: string): RulesReading {
  return readTexts(value === '' ? [] : value.split(';'));
}

function readTexts(texts: readonly string[]): RulesReading {
  if (texts.length > MAX_RULES)
    throw new QosError('policy', `${texts.length} rules: expected at most ${MAX_RULES}.`);
  const warnings: string[] = [];
  const rules = texts.flatMap((text, index): QosRule[] => {
    const shown = `rule ${index + 1}, ${quote(text.trim())}`;
    try {
      return [parseRule(text)];
    } catch (error) {
      if (error instanceof UnknownMatch) {
        warnings.push(`${shown}, is left out: ${error.message}`);
        return [];
      }
      throw error instanceof QosError ? new QosError('policy', `${shown}: ${error.message}`) : error;
    }
  });
  return { rules, warnings };
}

/**
 * As a writer reads them: what a reader would leave out is refused, too.
 * @throws QosError('policy')
 */
export function parseOwnRules(value: string): readonly QosRule[] {
  return withoutWarnings(parseRules(value));
}

/** The same of rules that come one by one. @throws QosError('policy') */
export function parseRuleList(texts: readonly string[]): readonly QosRule[] {
  return withoutWarnings(readTexts(texts));
}

function withoutWarnings({ rules, warnings }: RulesReading): readonly QosRule[] {
  const [first] = warnings;
  if (first !== undefined) throw new QosError('policy', first.replace(', is left out:', ':'));
  return rules;
}

/** The value to store; parseRules reads it back to the same. */
export function formatRules(rules: readonly QosRule[]): string {
  return rules.map(formatRule).join('; ');
}

/** The shortest value that says the same: it has no space, so that it fits into a token. */
export function formatCompactRules(rules: readonly QosRule[]): string {
  return formatRules(rules).replaceAll(' ', '');
}

/** The best class that a rule names and the class of what none matches: the best that may be sent. */
export function bestOf(rules: readonly QosRule[], otherwise: ClassName): ClassName {
  return rules.map((rule) => rule.class).reduce(betterClass, otherwise);
}

/** `user:alice,udp/3478 -> ef`; the matches in one order. */
export function formatRule({ match, class: className }: QosRule): string {
  const named = SELECTOR_NAMES.flatMap((name) => {
    const value = match[name];
    if (value === undefined) return [];
    return [`${name}:${typeof value === 'object' ? formatMark(value) : value}`];
  });
  const protocol = match.protocol === undefined ? [] : [formatProtocol(match.protocol)];
  return `${[...named, ...protocol].join(',')} -> ${className}`;
}

class UnknownMatch extends Error {}

function parseRule(text: string): QosRule {
  const [left = '', right, ...more] = text.split('->');
  if (right === undefined || more.length > 0)
    throw fault('expected MATCH,… -> CLASS, as in user:backup -> cs1');
  const className = right.trim();
  const match: Record<string, unknown> = {};
  for (const part of left.split(',').map((one) => one.trim())) {
    const [key, value] = parseMatch(part);
    if (key in match)
      throw fault(`two matches ${quote(key)}: expected one of a kind; all of a rule must match`);
    match[key] = value;
  }
  if (!isClassName(className)) throw fault(`class ${quote(className)}: expected ${classNameList()}`);
  return { match, class: className };
}

function parseMatch(part: string): [key: keyof RuleMatch, value: unknown] {
  const [, key = '', value = ''] = /^([a-z0-9]+):(.*)$/.exec(part) ?? [];
  const name = SELECTOR_NAMES.find((known) => known === key);
  if (name !== undefined) return [name, SELECTORS[name](value)];
  const protocol = RULE_PROTOCOLS.find((known) => known === part.split('/')[0]);
  if (protocol !== undefined) return ['protocol', protocolOf(protocol, part)];
  const expected = `${SELECTOR_NAMES.map((known) => `${known}:…`).join(', ')}, ${RULE_PROTOCOLS.join(', ')}`;
  const message = `match ${quote(part)}: expected one of ${expected}.`;
  // What only looks like a match is a typing error and not a newer version's.
  if (key !== '' && value !== '') throw new UnknownMatch(message);
  throw new QosError('policy', message);
}

/** Names as useradd(8) and groupadd(8) take them; numbers are below the one that means "no user". */
function accountOf(kind: 'user' | 'group', text: string): string | number {
  if (/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(text)) return text;
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number < MAX_WORD) return number;
  throw fault(`${kind} ${quote(text)}: expected a name, or a number below ${MAX_WORD}`);
}

/** systemd.unit(5), "Description": the characters of a name. Only these kinds have processes. */
function unitOf(text: string): string {
  if (/^[A-Za-z0-9:_.\\@-]{1,247}\.(service|scope|slice)$/.test(text)) return text;
  throw fault(`unit ${quote(text)}: expected its whole name, as in backup.service`);
}

function cgroupOf(text: string): string {
  const path = text.replace(/^\//, '').replace(/\/$/, '');
  const isPath = /^[A-Za-z0-9:_.\\@/-]+$/.test(path);
  if (isPath && path.split('/').every((name) => !['', '.', '..'].includes(name))) return path;
  throw fault(
    `cgroup ${quote(text)}: expected a path below /sys/fs/cgroup, as in user.slice/user-1000.slice`,
  );
}

function networkOf(text: string): string {
  const network = isIpv4(text) ? `${text}/32` : isIpv6(text) ? `${text}/128` : text;
  if (isNetwork(network)) return canonicalNetwork(network);
  throw fault(`destination ${quote(text)}: expected an address or a network, as in 10.0.0.0/8 or fd00::/8`);
}

function markOf(text: string): MarkMatch {
  const [, value, mask = MAX_WORD] =
    /^(0x[0-9a-f]{1,8}|\d{1,10})(?:\/(0x[0-9a-f]{1,8}|\d{1,10}))?$/i.exec(text) ?? [];
  const mark = { value: Number(value), mask: Number(mask) };
  const isWithin = mark.value <= MAX_WORD && mark.mask <= MAX_WORD && mark.mask > 0;
  if (isWithin && (mark.value & ~mark.mask) === 0) return mark;
  throw fault(
    `mark ${quote(text)}: expected VALUE or VALUE/MASK of 32 bits, no bit of the value outside the mask, as in 0x10/0xf0`,
  );
}

function formatMark({ value, mask }: MarkMatch): string {
  const hex = (word: number): string => `0x${word.toString(16)}`;
  return mask === MAX_WORD ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

function protocolOf(protocol: RuleProtocol, text: string): ProtocolMatch {
  if (text === protocol) return { protocol };
  const [, first, last = first] = /^[a-z]+\/(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const ports = [Number(first), Number(last)] as const;
  if (protocol !== 'icmp' && ports[0] >= 1 && ports[0] <= ports[1] && ports[1] <= MAX_PORT)
    return { protocol, ports };
  const expected =
    protocol === 'icmp'
      ? 'icmp alone, it has no ports'
      : `${protocol}, ${protocol}/PORT or ${protocol}/FIRST-LAST of 1 to ${MAX_PORT}`;
  throw fault(`${quote(text)}: expected ${expected}`);
}

function formatProtocol({ protocol, ports }: ProtocolMatch): string {
  if (ports === undefined) return protocol;
  const [first, last] = ports;
  return first === last ? `${protocol}/${first}` : `${protocol}/${first}-${last}`;
}

function fault(message: string): QosError {
  return new QosError('policy', `${message}.`);
}
