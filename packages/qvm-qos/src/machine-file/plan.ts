// Owns the difference between what a file asks for and what a machine has. Pure.
import { QosError } from '@qubes-qos/core/errors';
import { canonical, featuresOfFile, type IntentFeatures } from '@qubes-qos/core/machine-file';
import { FEATURE } from '../feature-names.js';
import type { FeatureChange } from '../publish/diff.js';
import { ADMIN_VM } from '../qubesd/admin.js';
import type { ReadFile } from './read.js';

/** What a machine has, as far as a file can say it. */
export interface ObservedMachine {
  readonly features: IntentFeatures;
  /** Qubes by name; true for one that provides network. */
  readonly qubes: ReadonlyMap<string, boolean>;
}

/**
 * The changes that make the machine what the file says.
 * @param keep - leave what the file does not name; else it goes.
 * @throws QosError('config') naming the line of a qube or policy that there is not, or of a setting that it cannot have
 */
export function planMachine(
  read: ReadFile,
  { features, qubes }: ObservedMachine,
  { keep }: { readonly keep: boolean },
): FeatureChange[] {
  const wanted = featuresOfFile(read.file);
  assertPossible(read, qubes, keep ? namesOfPolicies(features) : []);
  const names = keep ? [...wanted.keys()] : [...new Set([...wanted.keys(), ...features.keys()])];
  const changes = names.flatMap((qube) => {
    const [to, from] = [
      wanted.get(qube) ?? new Map<string, string>(),
      features.get(qube) ?? new Map<string, string>(),
    ];
    const all = [...new Set([...to.keys(), ...from.keys()])];
    return all.flatMap((feature): FeatureChange[] => {
      const [value = null, before = null] = [to.get(feature), from.get(feature)];
      if (value !== null && before !== null && canonical(feature, before) === value) return [];
      if (value === null && (isLeft(feature, before) || (keep && qube === ADMIN_VM))) return [];
      return [{ qube, feature, from: before, to: value }];
    });
  });
  // What is attached must be there first, and what is removed must be attached to nothing.
  return [
    ...changes.filter(isPolicy).filter(({ to }) => to !== null),
    ...changes.filter((one) => !isPolicy(one)),
    ...changes.filter(isPolicy).filter(({ to }) => to === null),
  ];
}

/** What publication turned on is not for a file that says nothing of it. */
function isLeft(feature: string, before: string | null): boolean {
  return feature === FEATURE.enforce && before === '1';
}

function isPolicy({ feature }: FeatureChange): boolean {
  return feature.startsWith(FEATURE.policyPrefix);
}

function namesOfPolicies(features: IntentFeatures): string[] {
  const stored = [...(features.get(ADMIN_VM)?.keys() ?? [])];
  return stored
    .filter((name) => name.startsWith(FEATURE.policyPrefix))
    .map((name) => name.slice(FEATURE.policyPrefix.length));
}

function assertPossible(
  { file, placeOf }: ReadFile,
  qubes: ReadonlyMap<string, boolean>,
  stored: readonly string[],
): void {
  const fail = (path: readonly string[], what: string): never => {
    throw new QosError('config', `${placeOf(path)}: ${what}; nothing was changed.`);
  };
  const tags = new Map<string, string>();
  for (const [name, policy] of Object.entries(file.policies ?? {})) {
    for (const tag of policy.tags ?? []) {
      const other = tags.get(tag);
      if (other !== undefined)
        fail(['policies', name, 'tags'], `the tag ${tag} has the policy ${other}; a tag has one`);
      tags.set(tag, name);
    }
  }
  const policies = [...Object.keys(file.policies ?? {}), ...stored];
  for (const [name, { policy, line, enforce }] of Object.entries(file.qubes ?? {})) {
    const provides = qubes.get(name);
    if (provides === undefined)
      fail(['qubes', name], `there is no qube ${JSON.stringify(name)} that can have this`);
    if (policy !== undefined && !policies.includes(policy))
      fail(['qubes', name, 'policy'], `there is no policy ${policy}`);
    if (provides === true) continue;
    if (line !== undefined)
      fail(['qubes', name, 'line'], `${name} provides no network, so that it has no line`);
    if (enforce !== undefined)
      fail(['qubes', name, 'enforce'], `${name} provides no network, so that it has no clients`);
  }
}
