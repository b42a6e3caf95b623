// Owns the settings of the tc agent: defaults, then files, then dom0's word; each value remembers where it is from.
import * as z from 'zod/mini';
import { messageOf, QosError } from './errors.js';
import { describeIssues } from './issues.js';
import { parseOverhead } from './overhead.js';
import { quote } from './quote.js';
import { mergeTrees, TREE_KEYS, type TreesConfig } from './tree/config.js';
import { TreeFault } from './tree/fault.js';
import { parseLineRate, parseUplinkPolicy, type LineRate, type UplinkPolicy } from './uplink-policy.js';
import { VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from './vm-config.js';

/** The schedulers that can be asked for by name; without one the best that the kernel can do is taken. */
export const SCHEDULER_NAMES = ['htb+ets+cake', 'htb', 'cake', 'prio', 'tree'] as const;
export type SchedulerName = (typeof SCHEDULER_NAMES)[number];

/** Settings of a line; a part that is absent comes from what ranks below. */
export interface LineSettings {
  readonly up?: LineRate;
  readonly down?: LineRate;
  /** Part of the line's rate that the shaper uses, percent: the rest keeps the queue here and not in the modem. */
  readonly use?: number;
  readonly scheduler?: SchedulerName;
  /** Which tree, where the scheduler is `tree`; the only one when absent. */
  readonly tree?: string;
  /** What a packet costs on the line beyond its network layer: a preset or bytes. */
  readonly overhead?: string;
}

/** A value and the file or feature it was read from. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: string;
}

/** Settings of a line, each with its source. */
export type SourcedLine = Readonly<Partial<Record<keyof LineSettings, Sourced<number | string>>>>;

/** Everything that can be configured. */
export interface TcConfig {
  /** For every line. */
  readonly line: SourcedLine;
  /** For one interface, by name: ranks above `line`, dom0's word included, which does not know interfaces. */
  readonly interfaces: ReadonlyMap<string, SourcedLine>;
  readonly takeover: Sourced<boolean>;
  /** The user's own trees, and the values, aliases and groups that they are written with. */
  readonly trees: TreesConfig;
  /** What was found odd and left out, one sentence each. */
  readonly warnings: readonly string[];
}

const RATE = z.pipe(
  z.string(),
  z.transform((text, context): LineRate => {
    try {
      return parseLineRate(text);
    } catch (error) {
      context.issues.push({ code: 'custom', input: text, message: messageOf(error) });
      return z.NEVER;
    }
  }),
);

const OVERHEAD = z.pipe(
  z.union([z.string(), z.number()]),
  z.transform((value, context): string => {
    try {
      parseOverhead(String(value));
      return String(value);
    } catch (error) {
      context.issues.push({ code: 'custom', input: value, message: messageOf(error) });
      return z.NEVER;
    }
  }),
);

const SCHEDULER = z
  .string()
  .check(z.refine(isSchedulerName, { error: ({ input }) => schedulerFault(String(input)) }));

const LINE = z.strictObject({
  up: z.exactOptional(RATE),
  down: z.exactOptional(RATE),
  use: z.exactOptional(z.number().check(z.gte(10), z.lte(100))),
  scheduler: z.exactOptional(z.pipe(SCHEDULER, z.custom<SchedulerName>())),
  tree: z.exactOptional(z.string()),
  overhead: z.exactOptional(OVERHEAD),
});

const FILE = z.strictObject({
  takeover: z.exactOptional(z.boolean()),
  line: z.exactOptional(LINE),
  interface: z.exactOptional(
    z.record(z.string().check(z.regex(/^[^\s/]{1,15}$/, 'the name of an interface')), LINE),
  ),
  ...TREE_KEYS,
});

/** The settings of one file. */
export type FileSettings = z.infer<typeof FILE>;

/**
 * Checks what a TOML file says.
 * @param lineOf - where a key is written, for the message.
 * @throws QosError('config') naming the file, the line, the key, what was found and what is expected.
 */
export function parseFileSettings(
  source: string,
  toml: unknown,
  lineOf: (path: readonly PropertyKey[]) => number | undefined = () => undefined,
): FileSettings {
  const result = z.safeParse(FILE, toml);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  const unknown = first?.code === 'unrecognized_keys' ? first.keys.slice(0, 1) : [];
  const line = lineOf([...(first?.path ?? []), ...unknown]);
  const faults = describeIssues(result.error.issues, toml);
  const place = line === undefined ? '' : `:${line}`;
  throw new QosError('config', `${source}${place}: ${faults}; the last good settings stay in force.`);
}

const DEFAULT_USE_PERCENT = 95;

/**
 * Puts the settings together.
 * @param files - in the order in which they are read: later wins.
 * @param feature - the value of `vm-config.qos-uplink`, or undefined. dom0's word ranks above every
 *   `[line]`, so that `qvm-qos uplink` has effect whatever the files say of the line in general.
 * @throws QosError('policy') when the feature is invalid, TreeFault when the groups are.
 */
export function mergeConfig(
  files: readonly { readonly source: string; readonly settings: FileSettings }[],
  feature: string | undefined,
): TcConfig {
  const fromDom0 = feature === undefined ? undefined : parseUplinkPolicy(feature);
  const source = `${VM_CONFIG_FEATURE_PREFIX}${VM_CONFIG.uplink}`;
  const layers = [
    { source: 'built in', line: { use: DEFAULT_USE_PERCENT } },
    ...files.map((file) => ({ source: file.source, line: file.settings.line ?? {} })),
    { source, line: lineOfPolicy(fromDom0?.policy ?? {}) },
  ];
  const trees = mergeTrees(files.map(({ settings }) => settings));
  const takeovers = files.filter(({ settings }) => settings.takeover !== undefined);
  const last = takeovers.at(-1);
  const sections = files.map((file) => ({
    source: file.source,
    sections: new Map(Object.entries(file.settings.interface ?? {})),
  }));
  const namesOf = namesOfInterfaces(
    sections.flatMap((file) => [...file.sections.keys()]),
    trees,
  );
  const ofInterface = (name: string): SourcedLine =>
    mergeLayers(
      sections.flatMap((file) =>
        (namesOf.get(name) ?? []).map((one) => ({
          source: file.source,
          line: file.sections.get(one) ?? {},
        })),
      ),
    );
  return {
    line: mergeLayers(layers),
    interfaces: new Map(Array.from(namesOf.keys(), (name) => [name, ofInterface(name)])),
    trees,
    takeover: { value: last?.settings.takeover ?? false, source: last?.source ?? 'built in' },
    warnings: (fromDom0?.warnings ?? []).map((text) => `${source}: ${text}`),
  };
}

/**
 * Interface -> the sections that speak of it, the more general first: its group's, its alias', its own.
 * @throws TreeFault for an interface in two groups, and for a group that is called like an alias.
 */
function namesOfInterfaces(
  sections: readonly string[],
  { alias, group }: TreesConfig,
): Map<string, readonly string[]> {
  const real = (name: string): string => (Object.hasOwn(alias, name) ? (alias[name] ?? name) : name);
  const groupOf = new Map<string, string>();
  for (const [name, members] of Object.entries(group)) {
    if (Object.hasOwn(alias, name)) throw new TreeFault(['group', name], 'is the name of an alias too');
    for (const member of members.map(real)) {
      const other = groupOf.get(member);
      if (other !== undefined) {
        const twice = other === name ? 'is named twice' : `is in group ${quote(other)} already`;
        throw new TreeFault(
          ['group', name],
          `${quote(member)} ${twice}: expected one group for an interface`,
        );
      }
      groupOf.set(member, name);
    }
  }
  const names = new Map<string, readonly string[]>();
  const add = (name: string): void => {
    const aliases = Object.keys(alias).filter((one) => real(one) === name);
    const ofGroup = groupOf.get(name);
    names.set(name, [...(ofGroup === undefined ? [] : [ofGroup]), ...aliases, name]);
  };
  for (const section of sections) {
    const members = Object.hasOwn(group, section) ? (group[section] ?? []) : [section];
    for (const member of members) add(real(member));
  }
  return names;
}

/** Key by key; later wins. */
function mergeLayers(
  layers: readonly { readonly source: string; readonly line: LineSettings }[],
): SourcedLine {
  return Object.fromEntries(
    layers.flatMap(({ source, line }) =>
      Object.entries<number | string>({ ...line }).map(([key, value]) => [key, { value, source }]),
    ),
  );
}

/** dom0's word as settings. @throws QosError('policy') for a scheduler or an overhead that there is not. */
function lineOfPolicy({ up, down, scheduler, overhead }: UplinkPolicy): LineSettings {
  if (scheduler !== undefined && !isSchedulerName(scheduler))
    throw new QosError('policy', `${schedulerFault(scheduler)}.`);
  if (overhead !== undefined) parseOverhead(overhead);
  return {
    ...(up === undefined ? {} : { up }),
    ...(down === undefined ? {} : { down }),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(overhead === undefined ? {} : { overhead }),
  };
}

function isSchedulerName(name: string): name is SchedulerName {
  return (SCHEDULER_NAMES as readonly string[]).includes(name);
}

function schedulerFault(name: string): string {
  return `unknown scheduler ${quote(name)}: expected ${SCHEDULER_NAMES.slice(0, -1).join(', ')} or ${SCHEDULER_NAMES.at(-1) ?? ''}`;
}

/** The settings of one interface. */
export function settingsOf(config: TcConfig, ifname: string): LineSettings {
  const merged = { ...config.line, ...config.interfaces.get(ifname) };
  return Object.fromEntries(Object.entries(merged).map(([key, { value }]) => [key, value]));
}
