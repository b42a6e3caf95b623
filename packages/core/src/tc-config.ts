// Owns the settings of the tc agent: defaults, then files, then dom0's word; each value remembers where it is from.
import * as z from 'zod/mini';
import { parsed } from './as-issue.js';
import type { ClientPolicy } from './client-policy.js';
import { readDom0Values, UPLINK_SOURCE, type Dom0Values } from './dom0-values.js';
import { QosError } from './errors.js';
import { describeIssues } from './issues.js';
import { parseOverhead } from './overhead.js';
import { parseRate, type BitsPerSecond } from './rate.js';
import { isSchedulerName, schedulerFault, type SchedulerName } from './scheduler-names.js';
import { isNetwork } from './tc/prefixes.js';
import { mergeTrees, TREE_KEYS, type TreesConfig } from './tree/config.js';
import { namesOfInterfaces } from './tree/interface-names.js';
import { parseLineRate, type LineRate } from './uplink-policy.js';

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
  /** What comes in above this rate is dropped before anything else sees it. */
  readonly police?: BitsPerSecond;
  /** Whether the DSCP is cleared where packets leave this machine. */
  readonly dscp_out?: 'wash' | 'keep';
  /** Part of what the shaper lets through that EF may have as a whole, percent. */
  readonly ef_share?: number;
  /** What EF may have of a line that is further on, where this qube does not shape. */
  readonly ef?: BitsPerSecond;
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
  /** Networks whose traffic is not the Internet's, besides those that the line reaches without a router. */
  readonly local: Sourced<readonly string[]>;
  /** What dom0 says of the clients, by IPv4 address. */
  readonly clients: ReadonlyMap<string, ClientPolicy>;
  /** The user's own trees, and the values, aliases and groups that they are written with. */
  readonly trees: TreesConfig;
  /** True when dom0 is believed about the clients, and not their packets. */
  readonly enforce: boolean;
  /** What was found odd and left out, one sentence each. */
  readonly warnings: readonly string[];
}

const RATE = parsed(z.string(), parseLineRate);
const PLAIN_RATE = parsed(z.string(), parseRate);

const OVERHEAD = parsed(z.union([z.string(), z.number()]), (value): string => {
  parseOverhead(String(value));
  return String(value);
});

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
  dscp_out: z.exactOptional(z.enum(['wash', 'keep'], { error: 'expected "wash" or "keep"' })),
  ef_share: z.exactOptional(z.number().check(z.gte(1), z.lte(100))),
  ef: z.exactOptional(PLAIN_RATE),
  police: z.exactOptional(PLAIN_RATE),
});

const NETWORK = z.string().check(
  z.refine(isNetwork, {
    error: 'expected a network, as in 192.168.0.0/16 or 2001:db8::/32',
  }),
);

const FILE = z.strictObject({
  takeover: z.exactOptional(z.boolean()),
  local: z.exactOptional(z.array(NETWORK)),
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

const BUILT_IN: LineSettings = { use: 95, ef_share: 50, dscp_out: 'wash' };

/**
 * Puts the settings together.
 * @param files - in the order in which they are read: later wins.
 * @param dom0 - dom0's word ranks above every `[line]`, so that `qvm-qos uplink` has effect whatever the files say
 *   of the line in general.
 * @throws QosError('policy') when a value of dom0 is invalid, TreeFault when the groups are.
 */
export function mergeConfig(
  files: readonly { readonly source: string; readonly settings: FileSettings }[],
  dom0: Dom0Values = {},
): TcConfig {
  const { uplink, clients, enforce, warnings } = readDom0Values(dom0);
  const layers = [
    { source: 'built in', line: BUILT_IN },
    ...files.map((file) => ({ source: file.source, line: file.settings.line ?? {} })),
    { source: UPLINK_SOURCE, line: uplink },
  ];
  const trees = mergeTrees(files.map(({ settings }) => settings));
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
    takeover: lastOf(files, 'takeover', false),
    local: lastOf(files, 'local', []),
    clients,
    enforce,
    warnings,
  };
}

/** The value of the last file that has one. */
function lastOf<K extends 'takeover' | 'local'>(
  files: readonly { readonly source: string; readonly settings: FileSettings }[],
  key: K,
  builtIn: NonNullable<FileSettings[K]>,
): Sourced<NonNullable<FileSettings[K]>> {
  const last = files.findLast(({ settings }) => settings[key] !== undefined);
  return { value: last?.settings[key] ?? builtIn, source: last?.source ?? 'built in' };
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

/** The settings of one interface. */
export function settingsOf(config: TcConfig, ifname: string): LineSettings {
  const merged = { ...config.line, ...config.interfaces.get(ifname) };
  return Object.fromEntries(Object.entries(merged).map(([key, { value }]) => [key, value]));
}
