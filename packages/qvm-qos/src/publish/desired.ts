// Owns what follows from the intent: the derived features of every qube (design.md 3.2). Pure.
import { isIpv4, isIpv6 } from '@qubes-qos/core/addresses';
import { betterClass, DEFAULT_CLASS, worseClass, type ClassName } from '@qubes-qos/core/classes';
import type { ClientLimits } from '@qubes-qos/core/client-limits';
import { formatClientPolicy, type ClientPolicy } from '@qubes-qos/core/client-policy';
import { formatCompactRules } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import { FEATURE } from '../feature-names.js';
import { readIntents, type Intent } from './intent.js';
import type { QubeFacts, System } from './system.js';

/** Features by qube. */
export type Derived = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** What should be, and what the user should know of it. */
export interface Publication {
  readonly derived: Derived;
  /** The NetVMs that have an entry: there dom0's word should hold. */
  readonly firstHops: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * What comes out of these is their own, encrypted: it cannot pose as a client of theirs, and must not. The first is
 * Whonix's tag of sys-whonix, the second is for VPN qubes.
 */
export const TUNNEL_TAGS: readonly string[] = ['anon-gateway', 'qos-tunnel'];

/** A NetVM does not say a better class of a client than this: what a plain qube has. */
const PLAIN: ClientPolicy = { class: DEFAULT_CLASS, max: DEFAULT_CLASS };

/** Computes all derived features of the machine. */
export function planPublication(system: System): Publication {
  const { of: intents, warnings } = readIntents(system);
  const heard = [...warnings];
  const derived = new Map<string, Map<string, string>>();
  const put = (qube: string, feature: string, value: string): void => {
    derived.set(qube, (derived.get(qube) ?? new Map<string, string>()).set(feature, value));
  };
  for (const [name, { policyClass, policyRules }] of intents) {
    if (policyClass !== undefined) put(name, FEATURE.policyClass, policyClass);
    // The shortest form: it fits into a feature, as it did into the policy.
    if (policyRules !== undefined) put(name, FEATURE.policyRules, formatCompactRules(policyRules));
  }
  const entries = entriesByNetvm(system, intents, heard);
  for (const [netvm, clients] of entries)
    for (const [ip, policy] of clients) put(netvm, FEATURE.clientPrefix + ip, formatClientPolicy(policy));
  return { derived, firstHops: [...entries.keys()], warnings: [...new Set(heard)] };
}

function entriesByNetvm(
  { qubes }: System,
  intents: ReadonlyMap<string, Intent>,
  warnings: string[],
): Map<string, Map<string, ClientPolicy>> {
  const grants = new Grants(qubes, intents);
  const entries = new Map<string, Map<string, ClientPolicy>>();
  for (const { client, netvm, ip } of clientsOf(qubes, warnings)) {
    const intent = intents.get(client.name);
    if (intent === undefined) continue;
    const policy = entryOf(client, intent, grants);
    const here = entries.get(netvm) ?? new Map<string, ClientPolicy>();
    const other = here.get(ip);
    here.set(ip, other === undefined ? policy : leastOf(other, policy));
    entries.set(netvm, here);
    if (other !== undefined)
      warnings.push(
        `${client.name}: ${netvm} has another client with the address ${ip}; both get the least of the two.`,
      );
  }
  for (const [netvm, clients] of entries) {
    for (const [ip, policy] of clients) if (isPlain(policy)) clients.delete(ip);
    if (clients.size === 0) entries.delete(netvm);
  }
  return entries;
}

interface Client {
  readonly client: QubeFacts;
  readonly netvm: string;
  readonly ip: string;
}

/** Everything behind a vif that can have an entry. */
function clientsOf(qubes: readonly QubeFacts[], warnings: string[]): Client[] {
  const names = new Set(qubes.map(({ name }) => name));
  return qubes.flatMap((client): Client[] => {
    const { name, klass, netvm, ip } = client;
    if (klass === 'AdminVM' || klass === 'RemoteVM' || netvm === undefined || !names.has(netvm)) return [];
    if (isIpv4(ip)) return [{ client, netvm, ip }];
    if (ip !== '')
      warnings.push(
        `${name}: its ip is ${quote(ip)}, which is no IPv4 address: ${netvm} is told nothing of it.`,
      );
    return [];
  });
}

function entryOf(client: QubeFacts, intent: Intent, grants: Grants): ClientPolicy {
  const { ip6, name, providesNetwork } = client;
  return {
    class: intent.class,
    max: grants.max(name),
    zero: intent.hasRules || providesNetwork ? 'keep' : 'class',
    ...(isIpv6(ip6) ? { ip6 } : {}),
    ...intent.limits,
  };
}

/** The best class that each qube may send: its own, its rules', and, where it forwards, its clients', plain ones too. */
class Grants {
  readonly #clients = new Map<string, QubeFacts[]>();
  readonly #qubes = new Map<string, QubeFacts>();
  readonly #known = new Map<string, ClassName>();
  readonly #intents: ReadonlyMap<string, Intent>;

  constructor(qubes: readonly QubeFacts[], intents: ReadonlyMap<string, Intent>) {
    this.#intents = intents;
    for (const qube of qubes) {
      this.#qubes.set(qube.name, qube);
      if (qube.netvm === undefined) continue;
      this.#clients.set(qube.netvm, [...(this.#clients.get(qube.netvm) ?? []), qube]);
    }
  }

  /** @param above - the qubes that this one is asked for: a ring, which qubesd refuses to make, adds nothing. */
  max(name: string, above: readonly string[] = []): ClassName {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const own = this.#intents.get(name)?.best ?? DEFAULT_CLASS;
    const qube = this.#qubes.get(name);
    if (qube?.providesNetwork !== true || qube.tags.some((tag) => TUNNEL_TAGS.includes(tag))) return own;
    const path = [...above, name];
    const clients = (this.#clients.get(name) ?? []).filter((client) => !path.includes(client.name));
    const max = clients
      .map((client) => this.max(client.name, path))
      .reduce(betterClass, betterClass(own, DEFAULT_CLASS));
    if (above.length === 0) this.#known.set(name, max);
    return max;
  }
}

/** What two qubes that cannot be told apart may both have. */
function leastOf(one: ClientPolicy, other: ClientPolicy): ClientPolicy {
  const classOf = (key: 'class' | 'max'): ClassName =>
    worseClass(one[key] ?? DEFAULT_CLASS, other[key] ?? DEFAULT_CLASS);
  const limits = [one, other].reduce<ClientLimits>(
    (least, { up, down, burst }) => ({
      ...least,
      ...smaller('up', least.up, up),
      ...smaller('down', least.down, down),
      ...smaller('burst', least.burst, burst),
    }),
    {},
  );
  return {
    class: classOf('class'),
    max: classOf('max'),
    zero: one.zero === 'class' && other.zero === 'class' ? 'class' : 'keep',
    ...(one.ip6 !== undefined && one.ip6 === other.ip6 ? { ip6: one.ip6 } : {}),
    ...limits,
  };
}

function smaller<Key extends string, Value extends number>(
  key: Key,
  one: Value | undefined,
  other: Value | undefined,
): Partial<Record<Key, Value>> {
  const value = one !== undefined && other !== undefined ? (one < other ? one : other) : (one ?? other);
  return value === undefined ? {} : ({ [key]: value } as Record<Key, Value>);
}

/** Where dom0's word holds, a client without an entry is cs0. */
function isPlain({ class: className, max, up, down }: ClientPolicy): boolean {
  return className === PLAIN.class && max === PLAIN.max && up === undefined && down === undefined;
}
