// Owns what there is of policies: their rules, and what each is attached to.
import { QosError } from '@qubes-qos/core/errors';
import type { NamedPolicy } from '@qubes-qos/core/named-policy';
import { quote } from '@qubes-qos/core/quote';
import { FEATURE } from './feature-names.js';
import { inParallel } from './in-parallel.js';
import { readFeatures } from './publish/read-system.js';
import { readPolicies } from './publish/system.js';
import { ADMIN_VM, listQubes, providesNetwork, type AdminCall, type ListedQube } from './qubesd/admin.js';

/** All policies and attachments, as they are stored. */
export interface PolicyBook {
  readonly qubes: readonly ListedQube[];
  /** Those that can be read. */
  readonly policies: ReadonlyMap<string, NamedPolicy>;
  /** The names of all, those too that cannot be read. */
  readonly names: readonly string[];
  readonly attachments: readonly Attachment[];
  readonly warnings: readonly string[];
}

/** What one qube has. */
export interface Attachment {
  readonly qube: string;
  /** Then the policy is for its clients. */
  readonly isNetvm: boolean;
  readonly policy: string;
}

/** Reads them all. @throws as AdminCall */
export async function readPolicyBook(call: AdminCall): Promise<PolicyBook> {
  const qubes = await listQubes(call);
  const features = await inParallel(qubes, async ({ name }) => ({
    name,
    values: await readFeatures(call, name, isOfPolicies),
  }));
  const attached = features.filter(({ values }) => (values.get(FEATURE.attach) ?? '') !== '');
  const attachments = await inParallel(attached, async ({ name, values }) => ({
    qube: name,
    isNetvm: await providesNetwork(call, name),
    policy: values.get(FEATURE.attach) ?? '',
  }));
  const stored = features.find(({ name }) => name === ADMIN_VM)?.values ?? new Map<string, string>();
  const { policies, warnings } = readPolicies(stored);
  const names = [...stored.keys()]
    .filter((name) => name.startsWith(FEATURE.policyPrefix))
    .map((name) => name.slice(FEATURE.policyPrefix.length))
    .sort();
  return { qubes, policies, names, attachments, warnings };
}

/** @throws QosError('policy') for a name that is not in the book */
export function assertPolicy({ names }: PolicyBook, name: string): void {
  if (names.includes(name)) return;
  const there = names.length === 0 ? 'there is none' : `expected ${names.join(', ')}`;
  throw new QosError('policy', `no such policy: ${quote(name)}; ${there}.`);
}

function isOfPolicies(feature: string): boolean {
  return feature === FEATURE.attach || feature.startsWith(FEATURE.policyPrefix);
}
