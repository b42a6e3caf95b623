// Owns what the names in rules stand for in this qube at this moment: users, groups, units and cgroups. A rule whose name
// stands for nothing is left out, because nft would refuse all of them, and says what it waits for.
import { basename } from 'node:path';
import { messageOf } from '@qubes-qos/core/errors';
import { formatRule, type QosRule } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import { numbersOf } from '@qubes-qos/host/accounts';
import {
  directoryOf,
  hasCgroup,
  hasUnits,
  sliceCgroup,
  systemUnits,
  unitCgroups,
  type SystemUnit,
} from '@qubes-qos/host/cgroups';
import type { LocatedRule } from './plan.js';

/** Rules as they can be put in force now. */
export interface Located {
  readonly rules: readonly LocatedRule[];
  /** One sentence for each rule that does not count now. */
  readonly leftOut: readonly string[];
  /** Directories in which it shows that the rules would be located differently. */
  readonly watched: readonly string[];
}

/** Where the accounts of a qube are. */
const ACCOUNTS = '/etc';

/** Cgroups in which the units of users are: where one that the system does not know may come. */
const OF_USERS = /^user\.slice(\/|$)/;

/** Finds what the rules name. Never fails: what cannot be looked up is not there. */
export async function locateRules(rules: readonly QosRule[]): Promise<Located> {
  const world = await lookAround(rules);
  const located = await Promise.all(rules.map((rule) => locateRule(rule, world)));
  return {
    rules: located.flatMap(({ rule }) => rule ?? []),
    leftOut: located.flatMap(({ fault }) => fault ?? []),
    watched: [...new Set(located.flatMap(({ watched }) => watched))].sort(),
  };
}

/** What is known of the qube. A look-up that fails is the reason why a name of its kind stands for nothing. */
interface World {
  readonly users: Accounts;
  readonly groups: Accounts;
  readonly systemUnits: ReadonlyMap<string, SystemUnit>;
  readonly unitCgroups: readonly string[];
}

type Accounts = ReadonlyMap<string, number> | { readonly failure: string };

async function lookAround(rules: readonly QosRule[]): Promise<World> {
  const named = (key: 'user' | 'group' | 'unit'): string[] => [
    ...new Set(rules.flatMap(({ match }) => (typeof match[key] === 'string' ? [match[key]] : []))),
  ];
  const accounts = (database: 'passwd' | 'group', names: string[]): Promise<Accounts> =>
    numbersOf(database, names).catch((error: unknown) => ({ failure: messageOf(error) }));
  const units = named('unit');
  const [users, groups, known, cgroups] = await Promise.all([
    accounts('passwd', named('user')),
    accounts('group', named('group')),
    systemUnits(units),
    units.length === 0 ? [] : unitCgroups(),
  ]);
  return { users, groups, systemUnits: known, unitCgroups: cgroups };
}

interface LocatedOne {
  readonly rule?: LocatedRule;
  readonly fault?: string;
  readonly watched: readonly string[];
}

async function locateRule(rule: QosRule, world: World): Promise<LocatedOne> {
  const { user, group, unit, cgroup, ...match } = rule.match;
  const uid = numberOf('user', user, world.users);
  const gid = numberOf('group', group, world.groups);
  const units = unit === undefined ? undefined : cgroupsOf(unit, world);
  const path = cgroup === undefined || (await hasCgroup(cgroup)) ? cgroup : undefined;
  const faults = [
    ...[uid, gid].filter((found) => typeof found === 'string'),
    ...(units?.length === 0 ? [`unit ${quote(unit ?? '')} does not run`] : []),
    ...(cgroup !== undefined && path === undefined ? [`there is no cgroup ${quote(cgroup)}`] : []),
  ];
  const watched = [
    ...(typeof uid === 'string' || typeof gid === 'string' ? [ACCOUNTS] : []),
    ...(await Promise.all(placesOf(unit, units ?? [], world).map(directoryOf))),
    ...(cgroup === undefined ? [] : [await directoryOf(cgroup)]),
  ];
  if (faults.length > 0)
    return { fault: `Rule ${quote(formatRule(rule))} does not count now: ${faults.join('; ')}.`, watched };
  const ofPath = path === undefined ? [] : [path];
  const cgroups = units === undefined ? [ofPath] : units.map((one) => [one, ...ofPath]);
  const owners = { ...(typeof uid === 'number' && { uid }), ...(typeof gid === 'number' && { gid }) };
  return { rule: { class: rule.class, ...owners, cgroups, match }, watched };
}

/** The number of an account, or why there is none. */
function numberOf(
  kind: 'user' | 'group',
  account: string | number | undefined,
  accounts: Accounts,
): number | string | undefined {
  if (typeof account !== 'string') return account;
  if ('failure' in accounts) return `${kind} ${quote(account)} cannot be looked up, ${accounts.failure}`;
  return accounts.get(account) ?? `there is no ${kind} ${quote(account)} in this qube`;
}

/** The cgroups of a unit that runs, by whatever manager. */
function cgroupsOf(unit: string, world: World): string[] {
  const name = world.systemUnits.get(unit)?.id ?? unit;
  return world.unitCgroups.filter((path) => basename(path) === name);
}

/** The cgroups of a unit, those where it may be later included. */
function placesOf(unit: string | undefined, running: readonly string[], world: World): string[] {
  if (unit === undefined) return [];
  const known = world.systemUnits.get(unit);
  if (known) return [...running, [sliceCgroup(known.slice), known.id].filter(Boolean).join('/')];
  const ofUsers =
    running.length > 0 ? [] : world.unitCgroups.filter((path) => OF_USERS.test(path) && hasUnits(path));
  return [...running, ...ofUsers.map((path) => `${path}/${unit}`)];
}
