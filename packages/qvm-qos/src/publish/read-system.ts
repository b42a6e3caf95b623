// Owns how a snapshot of the machine is read: with no request for what cannot matter.
import { POLICY_VALUE } from '@qubes-qos/core/named-policy';
import { FEATURE, isIntent, isOurFeature } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import {
  ADMIN_VM,
  getNetworkProperties,
  listLocalQubes,
  listTags,
  unlessRaised,
  type AdminCall,
  type ListedQube,
  type NetworkProperties,
} from '../qubesd/admin.js';
import { getFeature, listFeatures } from '../qubesd/features.js';
import type { QubeFacts, System } from './system.js';

/**
 * `all` also sees that two qubes share an address. `concerned` reads the properties of those qubes only that have
 * something to tell, and of the NetVMs that they go through.
 */
export type Scope = 'all' | 'concerned';

/** Reads the machine. A qube that goes away meanwhile is left out. @throws as AdminCall */
export async function readSystem(call: AdminCall, scope: Scope): Promise<System> {
  const listed = await listLocalQubes(call);
  const features = new Map(
    await inParallel(listed, async ({ name }): Promise<[string, Features]> => [
      name,
      await readFeatures(call, name),
    ]),
  );
  const tagged = hasTagPolicies(features);
  const names = listed.filter(({ klass }) => klass !== ADMIN_KLASS).map(({ name }) => name);
  const networks =
    scope === 'all' || tagged || [...features.values()].some((one) => one.has(FEATURE.attach))
      ? await readNetworks(call, names)
      : await readChains(
          call,
          names.filter((name) => [...(features.get(name)?.keys() ?? [])].some(isIntent)),
        );
  const tags = new Map(
    await inParallel(
      [...networks].filter(([, network]) => tagged || network.providesNetwork),
      async ([name]): Promise<[string, string[]]> => [name, await readTags(call, name)],
    ),
  );
  return { qubes: listed.flatMap((qube) => factsOf(qube, { features, networks, tags })) };
}

const ADMIN_KLASS = 'AdminVM';

const NO_NETWORK: NetworkProperties = { netvm: undefined, ip: '', ip6: '', providesNetwork: false };

/**
 * Reads these qubes, the NetVMs above them with what those are told of them, and the policies of dom0: a part of the
 * machine.
 */
export async function readPart(call: AdminCall, names: readonly string[]): Promise<System> {
  const [dom0, networks] = await Promise.all([readFeatures(call, ADMIN_VM), readChains(call, names)]);
  const isTagged = hasTagPolicies(new Map([[ADMIN_VM, dom0]]));
  const entries = [...networks.values()].map(({ ip }) => FEATURE.clientPrefix + ip);
  const isWanted = (feature: string): boolean =>
    isOurFeature(feature) && (!feature.startsWith(FEATURE.clientPrefix) || entries.includes(feature));
  const qubes = await inParallel([...networks], async ([name, network]): Promise<QubeFacts> => {
    const [features, tags] = await Promise.all([
      readFeatures(call, name, isWanted),
      isTagged || network.providesNetwork ? readTags(call, name) : [],
    ]);
    // The class is not asked for: what is no qube with a network has no netvm either.
    return { name, klass: 'AppVM', features, tags, ...network };
  });
  return {
    qubes: [{ name: ADMIN_VM, klass: ADMIN_KLASS, features: dom0, tags: [], ...NO_NETWORK }, ...qubes],
  };
}

type Features = ReadonlyMap<string, string>;
type Networks = ReadonlyMap<string, NetworkProperties>;

/** The features of a qube that are wanted, by name; none when the qube is gone. */
export async function readFeatures(
  call: AdminCall,
  qube: string,
  isWanted: (feature: string) => boolean = isOurFeature,
): Promise<Features> {
  const names = (await ifThere(() => listFeatures(call, qube))) ?? [];
  const pairs = await Promise.all(
    names
      .filter(isWanted)
      .map(async (name): Promise<[string, string | undefined]> => [
        name,
        await ifThere(() => getFeature(call, qube, name)),
      ]),
  );
  return new Map(pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

/** All of one qube, its tags whatever it is; undefined when it is gone. */
export async function readQube(
  call: AdminCall,
  { name, klass }: Pick<ListedQube, 'name' | 'klass'>,
): Promise<QubeFacts | undefined> {
  const [features, network, tags] = await Promise.all([
    readFeatures(call, name),
    klass === ADMIN_KLASS ? NO_NETWORK : ifThere(() => getNetworkProperties(call, name)),
    readTags(call, name),
  ]);
  return network === undefined ? undefined : { name, klass, features, tags, ...network };
}

async function readNetworks(call: AdminCall, names: readonly string[]): Promise<Networks> {
  const pairs = await inParallel(names, async (name) => {
    const network = await ifThere(() => getNetworkProperties(call, name));
    return network === undefined ? [] : [[name, network] as const];
  });
  return new Map(pairs.flat());
}

/** These qubes, their netvms, the netvms of those, and so on. */
async function readChains(call: AdminCall, names: readonly string[]): Promise<Networks> {
  const known = new Map<string, NetworkProperties>();
  let next = names;
  while (next.length > 0) {
    for (const [name, network] of await readNetworks(call, next)) known.set(name, network);
    const netvms = [...known.values()].flatMap(({ netvm }) => netvm ?? []);
    next = [...new Set(netvms)].filter((netvm) => !known.has(netvm));
  }
  return known;
}

async function readTags(call: AdminCall, qube: string): Promise<string[]> {
  return (await ifThere(() => listTags(call, qube))) ?? [];
}

/** A value that cannot be read attaches nothing; who reads the policies says so. */
function hasTagPolicies(features: ReadonlyMap<string, Features>): boolean {
  const values = [...features.values()].flatMap((one) => [...one]);
  return values.some(([name, value]) => {
    if (!name.startsWith(FEATURE.policyPrefix)) return false;
    try {
      return POLICY_VALUE.parse(value).policy.tags !== undefined;
    } catch {
      return false;
    }
  });
}

function factsOf(
  { name, klass }: ListedQube,
  read: {
    readonly features: ReadonlyMap<string, Features>;
    readonly networks: Networks;
    readonly tags: ReadonlyMap<string, readonly string[]>;
  },
): QubeFacts[] {
  const network = read.networks.get(name);
  const features = read.features.get(name);
  if (features === undefined) return [];
  return [
    {
      ...{ name, klass, features, tags: read.tags.get(name) ?? [] },
      ...(network ?? NO_NETWORK),
    },
  ];
}

/** undefined when the qube is gone. */
function ifThere<Result>(action: () => Promise<Result>): Promise<Result | undefined> {
  return unlessRaised('QubesVMNotFoundError', action);
}
