// Owns the decision: what this qube's policy means for its nft table. Pure.
import { CLASS_NAMES, classOf, type ClassName } from '@qubes-qos/core/classes';
import { FOREIGN_BITS, markOf } from '@qubes-qos/core/connection-mark';
import { ALL_BITS, rule } from '@qubes-qos/core/nft/model';
import type { NftChain, NftExpression, NftRule, NftTable, TableId } from '@qubes-qos/core/nft/model';
import { renderTable } from '@qubes-qos/core/nft/render';
import type { ProtocolMatch, RuleMatch } from '@qubes-qos/core/qos-rules';
import { familyOfNetwork } from '@qubes-qos/core/tc/prefixes';

/** The one table of this program; the tc agent has others (design.md 3.4). */
export const MANGLE_TABLE: TableId = { family: 'inet', name: 'qubes-qos-mangle' };

/** A rule as nft can have it: owners are numbers, units are the cgroups that they have now. */
export interface LocatedRule {
  readonly class: ClassName;
  readonly uid?: number;
  readonly gid?: number;
  /** One of these must match, with all of its paths. Where any socket will do: one without paths. */
  readonly cgroups: readonly (readonly string[])[];
  readonly match: Pick<RuleMatch, 'protocol' | 'to' | 'mark'>;
}

/** What a table does to packets. */
export interface InForce {
  /** The class of packets that no rule matches. */
  readonly className: ClassName | 'none';
  readonly hasRules: boolean;
}

type Family = 'ip' | 'ip6';
const FAMILIES: readonly Family[] = ['ip', 'ip6'];

/**
 * After the hooks in which others set packet marks (-150 and 0) and rewrite destinations (-100), so that a rule sees what
 * leaves. Not later than the output hook: what is forwarded passes the next one, too, and sockets are known in this one.
 */
const PRIORITY = 100;

/** No process has this owner: the comparison says whether there is one. */
const NOBODY = 0xffff_ffff;

const OWNERLESS = 'ownerless';

const LOOPBACK = rule({ kind: 'meta', key: 'oif', op: '==', value: 'lo' }, accept());

/**
 * The desired table: every packet that this qube itself sends leaves with the DSCP of the first rule that matches it, or
 * else of the qube's class, whatever a program set before. With class `none` such packets stay as they are. Undefined,
 * which is "no table", when there is nothing to do.
 */
export function planMangle(
  className: ClassName | 'none',
  rules: readonly LocatedRule[] = [],
): NftTable | undefined {
  if (className === 'none' && rules.length === 0) return undefined;
  const remembered = new Set(rules.filter(isRemembered).map((one) => one.class));
  const asksTheConnection = rule({ kind: 'l4proto', protocol: 'tcp' }, { kind: 'jump', chain: OWNERLESS });
  const output = outputChain(
    [...(remembered.size > 0 ? [asksTheConnection] : []), ...rules.flatMap(planRule)],
    className,
  );
  const chains = remembered.size > 0 ? [ownerless([...remembered]), output] : [output];
  return { id: MANGLE_TABLE, chains, foreign: [] };
}

/** What an observed table does to packets; `altered` when it is not of the form that we write. */
export function inForceOf(observed: NftTable | undefined): InForce | 'altered' {
  if (!observed) return { className: 'none', hasRules: false };
  const output = observed.chains.find(({ name }) => name === 'output');
  const others = observed.chains.filter((chain) => chain !== output);
  if (!output || observed.foreign.length > 0 || others.some(({ name, base }) => name !== OWNERLESS || base))
    return 'altered';
  for (const className of [...CLASS_NAMES, 'none'] as const) {
    const end = output.rules.length - fallback(className).length;
    const frame = { ...output, rules: [...output.rules.slice(0, 1), ...output.rules.slice(end)] };
    if (textOf(frame) !== textOf(outputChain([], className))) continue;
    const rules = output.rules.slice(1, end);
    if ([...rules, ...others.flatMap((chain) => chain.rules)].every(isOfOurForm))
      return { className, hasRules: rules.length > 0 };
  }
  return 'altered';
}

function outputChain(rules: readonly NftRule[], className: ClassName | 'none'): NftChain {
  return {
    name: 'output',
    // Type filter is enough: a DSCP does not change the route, and what a VPN forwards never comes here.
    base: { type: 'filter', hook: 'output', priority: PRIORITY, policy: 'accept' },
    rules: [LOOPBACK, ...rules, ...fallback(className)],
  };
}

/** One rule each: in an inet table `ip dscp set` leaves every IPv6 packet as it was. */
function fallback(className: ClassName | 'none'): NftRule[] {
  if (className === 'none') return [];
  const { dscp } = classOf(className);
  return FAMILIES.map((family) => rule({ kind: 'set-dscp', family, dscp }));
}

/** A rule of the policy: for each address family, and each cgroup, one rule of nft that ends the walk. */
function planRule(located: LocatedRule): NftRule[] {
  const { dscp } = classOf(located.class);
  const { to } = located.match;
  const families = FAMILIES.filter(
    (family) => to === undefined || (familyOfNetwork(to) === 'ip') === (family === 'ip'),
  );
  const [anyFamily = 'ip'] = families;
  return located.cgroups.flatMap((paths) => [
    ...(isRemembered(located) ? [remember(matches(located, paths, anyFamily), located)] : []),
    ...families.map((family) =>
      rule(...matches(located, paths, family), { kind: 'set-dscp', family, dscp }, accept()),
    ),
  ]);
}

function matches(
  { uid, gid, match }: LocatedRule,
  paths: readonly string[],
  family: Family,
): NftExpression[] {
  const { protocol, to, mark } = match;
  return [
    ...(uid === undefined ? [] : [owner('skuid', uid)]),
    ...(gid === undefined ? [] : [owner('skgid', gid)]),
    ...paths.map((path): NftExpression => ({ kind: 'cgroup', path })),
    ...(mark === undefined ? [] : [{ kind: 'mark' as const, ...mark }]),
    ...(to === undefined ? [] : [{ kind: 'daddr' as const, family, network: to }]),
    ...(protocol === undefined ? [] : [protocolMatch(protocol, family)]),
  ];
}

function protocolMatch(match: ProtocolMatch, family: Family): NftExpression {
  if (match.protocol === 'icmp') return { kind: 'l4proto', protocol: family === 'ip' ? 'icmp' : 'ipv6-icmp' };
  if (match.ports === undefined) return { kind: 'l4proto', protocol: match.protocol };
  const [first, last] = match.ports;
  return { kind: 'dport', protocol: match.protocol, first, last };
}

/**
 * A TCP connection that its program has closed goes on sending what was written before, and nobody owns its packets then.
 * So the class of a rule that asks for an owner is remembered in the mark of the connection.
 */
function isRemembered({ uid, gid, match }: LocatedRule): boolean {
  const isTcp = match.protocol === undefined || match.protocol.protocol === 'tcp';
  return isTcp && (uid !== undefined || gid !== undefined);
}

function remember(matched: readonly NftExpression[], { class: className, match }: LocatedRule): NftRule {
  return rule(
    ...matched,
    ...(match.protocol === undefined ? [{ kind: 'l4proto' as const, protocol: 'tcp' as const }] : []),
    { kind: 'ct-mark', mask: FOREIGN_BITS, op: '==', value: 0 },
    { kind: 'set-ct-mark', value: markOf(classOf(className).dscp) },
  );
}

/** What packets of TCP get that nobody owns: the class that the connection had when somebody did. */
function ownerless(classNames: readonly ClassName[]): NftChain {
  const rules = classNames.flatMap((name) => {
    const { dscp } = classOf(name);
    const mark: NftExpression = { kind: 'ct-mark', mask: ALL_BITS, op: '==', value: markOf(dscp) };
    return FAMILIES.map((family) => rule(mark, { kind: 'set-dscp', family, dscp }, accept()));
  });
  const isOwned = rule(
    { kind: 'meta', key: 'skuid', op: '!=', value: NOBODY },
    { kind: 'verdict', verdict: 'return' },
  );
  return { name: OWNERLESS, rules: [isOwned, ...rules] };
}

/** A rule that ends as ours do; whether it is one of those that should be there is the question of the difference. */
function isOfOurForm({ expressions }: NftRule): boolean {
  const kinds = expressions.map((expression) =>
    expression.kind === 'verdict' ? expression.verdict : expression.kind,
  );
  const end = kinds.slice(-2).join(' ');
  const isEnd = end === 'set-dscp accept' || end === 'meta return' || /(set-ct-mark|jump)$/.test(end);
  return isEnd && !kinds.includes('foreign');
}

function textOf(chain: NftChain): string {
  return renderTable({ id: MANGLE_TABLE, chains: [chain], foreign: [] });
}

function owner(key: 'skuid' | 'skgid', value: number): NftExpression {
  return { kind: 'meta', key, op: '==', value };
}

function accept(): NftExpression {
  return { kind: 'verdict', verdict: 'accept' };
}
