// Owns `qvm-qos policy`: policies with a name, as features qos.policy.NAME of dom0, and to what they are attached.
import { formatSize } from '@qubes-qos/core/client-limits';
import { QosError } from '@qubes-qos/core/errors';
import { assertPolicyName, assertTag, POLICY_VALUE, type NamedPolicy } from '@qubes-qos/core/named-policy';
import { formatRule } from '@qubes-qos/core/qos-rules';
import { quote } from '@qubes-qos/core/quote';
import { formatRate } from '@qubes-qos/core/rate';
import { FEATURE } from '../feature-names.js';
import { fromOption } from '../options.js';
import { mergeRules, readRules, type RuleOptions } from '../policy-options.js';
import { assertPolicy, readPolicyBook, type PolicyBook } from '../policy-book.js';
import { TOLD_NOTHING, tellNetvms } from '../publish/tell.js';
import { ADMIN_VM, type AdminCall } from '../qubesd/admin.js';
import type { PolicyResult, ShownPolicy, ShownRule } from '../results.js';
import { selectQubes } from '../select-qubes.js';
import { writeAll, type FeatureWrite } from '../transaction.js';

/** What a policy is attached to, or taken from. */
export interface Targets {
  readonly names: readonly string[];
  readonly tags?: readonly string[];
}

/** All policies, or the one. @throws QosError('policy') when there is no such policy */
export async function showPolicies(call: AdminCall, name?: string): Promise<PolicyResult> {
  const book = await readPolicyBook(call);
  if (name !== undefined) assertPolicy(book, name);
  const names = name === undefined ? book.names : [name];
  return {
    ...{ command: 'policy', action: name === undefined ? 'list' : 'show', policy: name ?? null },
    policies: names.map((one) => shownOf(book, one)),
    ...TOLD_NOTHING,
    warnings: book.warnings,
  };
}

/** @throws QosError when there is one of this name */
export async function createPolicy(
  call: AdminCall,
  name: string,
  options: RuleOptions,
): Promise<PolicyResult> {
  fromOption('NAME', () => {
    assertPolicyName(name);
  });
  const policy = mergeRules({}, readRules(options));
  const book = await readPolicyBook(call);
  if (book.names.includes(name))
    throw new QosError(
      'policy',
      `there is a policy ${name} already; to change it: qvm-qos policy update ${name}`,
    );
  return change(call, { action: 'create', name, writes: [writeOf(name, policy)] });
}

/** Changes the rules that are named; `rules: false` removes all. @throws QosError('policy') for an unknown one */
export async function updatePolicy(
  call: AdminCall,
  name: string,
  options: RuleOptions,
): Promise<PolicyResult> {
  const { rules = true, ...named } = options;
  if (!rules && Object.keys(named).length > 0)
    throw new QosError(
      'usage',
      `argument --no-rules: not allowed with argument --${Object.keys(named).join(', --')}`,
    );
  if (rules && Object.keys(named).length === 0)
    throw new QosError(
      'usage',
      'one of the arguments --class --up --down --burst --rule --no-rules is required',
    );
  const wanted = readRules(named);
  const book = await readPolicyBook(call);
  assertPolicy(book, name);
  const before = book.policies.get(name) ?? {};
  const policy = rules ? mergeRules(before, wanted) : tagsOf(before);
  const lost = book.warnings.filter((text) => text.startsWith(`${FEATURE.policyPrefix}${name} of `));
  const warnings = lost.map((text) => `the value before is not kept whole: ${text}`);
  return change(call, { action: 'update', name, writes: [writeOf(name, policy)], warnings });
}

/** Takes it from everything that has it, and removes it, as one. */
export async function deletePolicy(call: AdminCall, name: string): Promise<PolicyResult> {
  const book = await readPolicyBook(call);
  assertPolicy(book, name);
  const detached = book.attachments
    .filter(({ policy }) => policy === name)
    .map(({ qube }) => ({ qube, feature: FEATURE.attach, value: null }));
  const removed = { ...writeOf(name, {}), value: null };
  return change(call, { action: 'delete', name, writes: [...detached, removed] });
}

/** Attaches it to qubes, to all clients of NetVMs, and to tags, as one. */
export async function attachPolicy(call: AdminCall, name: string, targets: Targets): Promise<PolicyResult> {
  const { book, qubes, tags } = await readTargets(call, name, targets);
  const taken = [...book.policies].flatMap(([other, policy]) =>
    other === name
      ? []
      : (policy.tags ?? []).filter((tag) => tags.includes(tag)).map((tag) => [tag, other] as const),
  );
  for (const [tag, other] of taken)
    throw new QosError(
      'policy',
      `the tag ${tag} has the policy ${other}; a tag has one. To take it away: qvm-qos policy detach ${other} --tag ${tag}`,
    );
  const policy = book.policies.get(name) ?? {};
  const all = [...new Set([...(policy.tags ?? []), ...tags])].sort();
  const before = book.attachments.filter(({ qube }) => qubes.includes(qube));
  const notes = before
    .filter((one) => one.policy !== name)
    .map(({ qube, policy: other }) => `${qube}: had the policy ${quote(other)} before.`);
  return change(call, {
    ...{ action: 'attach', name, notes },
    writes: [
      ...(tags.length === 0 ? [] : [writeOf(name, withTags(policy, all))]),
      ...qubes.map((qube) => ({ qube, feature: FEATURE.attach, value: name })),
    ],
  });
}

/** Takes it away again, as one. @throws QosError('policy') for what does not have it */
export async function detachPolicy(call: AdminCall, name: string, targets: Targets): Promise<PolicyResult> {
  const { book, qubes, tags } = await readTargets(call, name, targets);
  const policy = book.policies.get(name) ?? {};
  const has = book.attachments.filter((one) => one.policy === name).map(({ qube }) => qube);
  const missing = [
    ...qubes.filter((qube) => !has.includes(qube)),
    ...tags.filter((tag) => policy.tags?.includes(tag) !== true).map((tag) => `the tag ${tag}`),
  ];
  if (missing.length > 0) throw new QosError('policy', `${missing.join(', ')}: has not the policy ${name}.`);
  const left = (policy.tags ?? []).filter((tag) => !tags.includes(tag));
  return change(call, {
    ...{ action: 'detach', name },
    writes: [
      ...(tags.length === 0 ? [] : [writeOf(name, withTags(policy, left))]),
      ...qubes.map((qube) => ({ qube, feature: FEATURE.attach, value: null })),
    ],
  });
}

async function readTargets(
  call: AdminCall,
  name: string,
  { names, tags = [] }: Targets,
): Promise<{ book: PolicyBook; qubes: string[]; tags: readonly string[] }> {
  if (names.length === 0 && tags.length === 0)
    throw new QosError('usage', 'one of the arguments VM --tag is required');
  for (const tag of tags)
    fromOption('--tag', () => {
      assertTag(tag);
    });
  const book = await readPolicyBook(call);
  assertPolicy(book, name);
  const qubes = names.length === 0 ? [] : selectQubes(book.qubes, { names });
  return { book, qubes: qubes.map((qube) => qube.name), tags: [...new Set(tags)] };
}

interface Change {
  readonly action: PolicyResult['action'];
  readonly name: string;
  readonly writes: readonly FeatureWrite[];
  readonly warnings?: readonly string[];
  readonly notes?: readonly string[];
}

async function change(
  call: AdminCall,
  { action, name, writes, warnings = [], notes = [] }: Change,
): Promise<PolicyResult> {
  await writeAll(call, writes);
  const told = await tellNetvms(call, 'all');
  const book = await readPolicyBook(call);
  const shown = book.names.includes(name) ? [shownOf(book, name)] : [];
  return {
    ...{ command: 'policy', action, policy: name, policies: shown, ...told },
    warnings: [...warnings, ...told.warnings],
    notes: [...notes, ...told.notes],
  };
}

function withTags(policy: NamedPolicy, tags: readonly string[]): NamedPolicy {
  const parts = Object.entries(policy).filter(([key]) => key !== 'tags');
  return { ...(Object.fromEntries(parts) as NamedPolicy), ...(tags.length === 0 ? {} : { tags }) };
}

function tagsOf({ tags }: NamedPolicy): NamedPolicy {
  return tags === undefined ? {} : { tags };
}

function writeOf(name: string, policy: NamedPolicy): FeatureWrite {
  const value = fromOption('--burst', () => POLICY_VALUE.format(policy));
  return { qube: ADMIN_VM, feature: FEATURE.policyPrefix + name, value };
}

function shownOf({ policies, attachments }: PolicyBook, name: string): ShownPolicy {
  const policy = policies.get(name);
  const mine = attachments.filter((one) => one.policy === name);
  return {
    name,
    isUsable: policy !== undefined,
    rules: [
      ...(policy?.class === undefined ? [] : [{ kind: 'class' as const, class: policy.class }]),
      ...bandwidthOf(policy ?? {}),
      ...(policy?.rules === undefined
        ? []
        : [{ kind: 'in-qube' as const, rules: policy.rules.map(formatRule) }]),
    ],
    attached: {
      qubes: mine.filter(({ isNetvm }) => !isNetvm).map(({ qube }) => qube),
      netvms: mine.filter(({ isNetvm }) => isNetvm).map(({ qube }) => qube),
      tags: policy?.tags ?? [],
    },
  };
}

function bandwidthOf({ up, down, burst }: NamedPolicy): ShownRule[] {
  if (up === undefined && down === undefined) return [];
  return [
    {
      kind: 'bandwidth',
      up: up === undefined ? null : formatRate(up),
      down: down === undefined ? null : formatRate(down),
      burst: burst === undefined ? null : formatSize(burst),
    },
  ];
}
