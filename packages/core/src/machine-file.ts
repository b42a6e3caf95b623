// Owns the whole of what a user wants of a machine as one TOML file: its schema, its features, its text.
import * as z from 'zod/mini';
import { asIssue } from './as-issue.js';
import { CLASS_NAMES, classNameList, isClassName } from './classes.js';
import { hasIdleBurst, IDLE_BURST, LIMITS_VALUE } from './client-limits.js';
import { messageOf, QosError } from './errors.js';
import { describeIssues } from './issues.js';
import { assertPolicyName, assertTag, POLICY_VALUE } from './named-policy.js';
import { formatRule, formatRules, parseOwnRules, parseRuleList, type QosRule } from './qos-rules.js';
import { LIMIT_TOKENS, UPLINK_POLICY } from './token-schemas.js';
import { formatUplinkPolicy, parseUplinkPolicy } from './uplink-policy.js';
import { MAX_VALUE_BYTES, QOS_FEATURE, VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from './vm-config.js';

const CLASS = z.enum(CLASS_NAMES, { error: `expected ${classNameList()}` });

const POLICY_NAME = z.string().check(refined(assertPolicyName));

/** Rules inside a qube, one text each; none at all means none, whatever a policy says. */
const RULES = z.codec(
  z.array(z.string()),
  z.custom<readonly QosRule[]>((value) => Array.isArray(value)),
  {
    decode: asIssue(parseStorableRules),
    // zod encodes an object once without checks, absent keys too, before it does so with them.
    encode: (rules: readonly QosRule[] | undefined) => (rules ?? []).map(formatRule),
  },
);

/** No class, whatever a policy says: the "false" of features. */
const NO_CLASS = 'none';

const QUBE = z.strictObject({
  class: z.exactOptional(
    z.enum([...CLASS_NAMES, NO_CLASS], { error: `expected ${classNameList()}, or ${NO_CLASS}` }),
  ),
  policy: z.exactOptional(POLICY_NAME),
  rules: z.exactOptional(RULES),
  enforce: z.exactOptional(z.boolean()),
  limit: z.exactOptional(
    z.strictObject(LIMIT_TOKENS).check(z.refine((limits) => !hasIdleBurst(limits), { error: IDLE_BURST })),
  ),
  line: z.exactOptional(UPLINK_POLICY),
});

const POLICY = z
  .strictObject({
    class: z.exactOptional(CLASS),
    ...LIMIT_TOKENS,
    rules: z.exactOptional(RULES),
    tags: z.exactOptional(z.array(z.string().check(refined(assertTag)))),
  })
  .check(z.refine((policy) => !hasIdleBurst(policy), { error: IDLE_BURST }));

const MACHINE = z.strictObject({
  import: z.exactOptional(z.array(z.string())),
  policies: z.exactOptional(z.record(POLICY_NAME, POLICY)),
  qubes: z.exactOptional(z.record(z.string(), QUBE)),
});

/** One file, or several that were merged. */
export type MachineFile = z.infer<typeof MACHINE>;

/** What is wrong with a file, one entry for each fault: the path of its key, and a clause. */
export interface FileFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Reads what the TOML parser made of a file. */
export function parseMachineFile(
  content: unknown,
): { readonly file: MachineFile } | { readonly faults: readonly FileFault[] } {
  const result = z.safeDecode(MACHINE, content as z.input<typeof MACHINE>);
  if (result.success) return { file: result.data };
  const faults = result.error.issues.map((issue) => ({
    // The key itself is unknown, so that its line is wanted and not that of its table.
    path: issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path,
    message: describeIssues([issue], content),
  }));
  return { faults };
}

/** Two files as one: qube by qube, policy by policy, and in each key by key; the second wins. */
export function mergeMachineFiles(one: MachineFile, other: MachineFile): MachineFile {
  return {
    policies: mergeTables(one.policies ?? {}, other.policies ?? {}),
    qubes: mergeTables(one.qubes ?? {}, other.qubes ?? {}),
  };
}

/** Features by qube: what a file asks for, or what a machine has. */
export type IntentFeatures = ReadonlyMap<string, ReadonlyMap<string, string>>;

const NAMES = {
  class: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.dscp,
  rules: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.rules,
  enforce: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.enforce,
  line: VM_CONFIG_FEATURE_PREFIX + VM_CONFIG.uplink,
  ...{ limit: QOS_FEATURE.limit, policy: QOS_FEATURE.attach },
} as const;

/** True for a feature that a file can hold. */
export function isInMachineFile(feature: string): boolean {
  return Object.values<string>(NAMES).includes(feature) || feature.startsWith(QOS_FEATURE.policyPrefix);
}

/** The features that a file asks for. */
export function featuresOfFile({ policies = {}, qubes = {} }: MachineFile): IntentFeatures {
  const all = new Map<string, ReadonlyMap<string, string>>();
  for (const [name, { class: className, rules, policy, enforce, limit, line }] of Object.entries(qubes)) {
    const features: [string, string | undefined][] = [
      [NAMES.class, className === NO_CLASS ? '' : className],
      [NAMES.rules, rules && formatRules(rules)],
      [NAMES.policy, policy],
      [NAMES.enforce, enforce === undefined ? undefined : enforce ? '1' : '0'],
      [NAMES.limit, limit && LIMITS_VALUE.format(limit)],
      [NAMES.line, line && formatUplinkPolicy(line)],
    ];
    all.set(name, new Map(features.filter((pair): pair is [string, string] => pair[1] !== undefined)));
  }
  const own = all.get('dom0') ?? new Map<string, string>();
  const stored = Object.entries(policies).map(
    ([name, { tags = [], rules = [], ...rest }]): [string, string] => {
      const lists = {
        ...(tags.length === 0 ? {} : { tags: [...new Set(tags)].sort() }),
        ...(rules.length === 0 ? {} : { rules }),
      };
      return [QOS_FEATURE.policyPrefix + name, POLICY_VALUE.format({ ...rest, ...lists })];
    },
  );
  return all.set('dom0', new Map([...own, ...stored]));
}

/** The file that asks for these features, and one clause for each that cannot be in a file. */
export function fileOfFeatures(all: IntentFeatures): { file: MachineFile; faults: readonly string[] } {
  const policies: Record<string, NonNullable<MachineFile['policies']>[string]> = {};
  const qubes: Record<string, NonNullable<MachineFile['qubes']>[string]> = {};
  const faults: string[] = [];
  for (const [qube, features] of all) {
    for (const [feature, value] of features) {
      try {
        if (feature.startsWith(QOS_FEATURE.policyPrefix)) {
          const name = feature.slice(QOS_FEATURE.policyPrefix.length);
          assertPolicyName(name);
          const { tags, ...rest } = POLICY_VALUE.parse(value).policy;
          policies[name] = { ...rest, ...(tags === undefined ? {} : { tags: [...tags] }) };
        } else qubes[qube] = { ...qubes[qube], ...sectionOf(feature, value) };
      } catch (error) {
        faults.push(`${feature} of ${qube} is left out: ${messageOf(error)}`);
      }
    }
  }
  return { file: { policies, qubes }, faults };
}

/** What is equal is the same text: a value as it would be written, or as it is when it cannot be read. */
export function canonical(feature: string, value: string): string {
  const { file, faults } = fileOfFeatures(new Map([['dom0', new Map([[feature, value]])]]));
  return faults.length > 0 ? value : (featuresOfFile(file).get('dom0')?.get(feature) ?? value);
}

/** The text of a file, in TOML. */
export function renderMachineFile({ policies = {}, qubes = {} }: MachineFile): string {
  const encoded = z.encode(MACHINE, { policies, qubes });
  const section = (kind: string, name: string, keys: object): string =>
    [`[${kind}.${key(name)}]`, ...Object.entries(keys).map(([one, value]) => `${one} = ${toml(value)}`)]
      .map((line) => `${line}\n`)
      .join('');
  return [
    ...Object.entries(encoded.policies ?? {}).map(([name, keys]) => section('policies', name, keys)),
    ...Object.entries(encoded.qubes ?? {}).map(([name, keys]) => section('qubes', name, keys)),
  ].join('\n');
}

/** As they can be in a feature. @throws QosError('policy') */
function parseStorableRules(texts: readonly string[]): readonly QosRule[] {
  const rules = parseRuleList(texts);
  const { length } = formatRules(rules);
  if (length > MAX_VALUE_BYTES)
    throw new QosError(
      'policy',
      `${length} bytes: expected at most ${MAX_VALUE_BYTES} for all rules, the limit of QubesDB.`,
    );
  return rules;
}

function sectionOf(feature: string, value: string): NonNullable<MachineFile['qubes']>[string] {
  switch (feature) {
    case NAMES.class:
      if (value === '') return { class: NO_CLASS };
      if (isClassName(value)) return { class: value };
      throw new Error(`expected ${classNameList()}.`);
    case NAMES.rules:
      return { rules: parseOwnRules(value) };
    case NAMES.policy:
      assertPolicyName(value);
      return { policy: value };
    case NAMES.limit:
      return { limit: LIMITS_VALUE.parse(value).policy };
    case NAMES.line:
      return { line: parseUplinkPolicy(value).policy };
    case NAMES.enforce:
      return { enforce: value === '1' };
    default:
      return {};
  }
}

function mergeTables<Table extends object>(
  one: Readonly<Record<string, Table>>,
  other: Readonly<Record<string, Table>>,
): Record<string, Table> {
  const merged = Object.entries(other).map(([name, table]): [string, Table] => [
    name,
    { ...(Object.hasOwn(one, name) ? one[name] : undefined), ...table },
  ]);
  return { ...one, ...Object.fromEntries(merged) };
}

function key(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
}

/** Values are printable ASCII, in which JSON and TOML quote alike. */
function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const parts = Object.entries(value).map(([one, inner]) => `${one} = ${toml(inner)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

/** What `assert` throws is the message. */
function refined(assert: (text: string) => void) {
  return z.superRefine<string>((text, context) => {
    try {
      assert(text);
    } catch (error) {
      context.addIssue({ code: 'custom', input: text, message: messageOf(error) });
    }
  });
}
