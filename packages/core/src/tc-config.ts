// Owns the settings of the tc agent: defaults, then files, then dom0's word; each value remembers where it is from.
import * as z from 'zod/mini';
import { messageOf, QosError } from './errors.js';
import { describeIssues } from './issues.js';
import { parseLineRate, parseUplinkPolicy, type LineRate } from './uplink-policy.js';
import { VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from './vm-config.js';

/** Settings of a line; a part that is absent comes from what ranks below. */
export interface LineSettings {
  readonly up?: LineRate;
  readonly down?: LineRate;
  /** Part of the line's rate that the shaper uses, percent: the rest keeps the queue here and not in the modem. */
  readonly use?: number;
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

const LINE = z.strictObject({
  up: z.exactOptional(RATE),
  down: z.exactOptional(RATE),
  use: z.exactOptional(z.number().check(z.gte(10), z.lte(100))),
});

const FILE = z.strictObject({
  takeover: z.exactOptional(z.boolean()),
  line: z.exactOptional(LINE),
  interface: z.exactOptional(
    z.record(z.string().check(z.regex(/^[^\s/]{1,15}$/, 'the name of an interface')), LINE),
  ),
});

/** The settings of one file. */
export type FileSettings = z.infer<typeof FILE>;

/**
 * Checks what a TOML file says.
 * @throws QosError('config') naming the file, the key, what was found and what is expected.
 */
export function parseFileSettings(source: string, toml: unknown): FileSettings {
  const result = z.safeParse(FILE, toml);
  if (result.success) return result.data;
  const faults = describeIssues(result.error.issues, toml);
  throw new QosError('config', `${source}: ${faults}; the last good settings stay in force.`);
}

const DEFAULT_USE_PERCENT = 95;

/**
 * Puts the settings together.
 * @param files - in the order in which they are read: later wins.
 * @param feature - the value of `vm-config.qos-uplink`, or undefined. dom0's word ranks above every
 *   `[line]`, so that `qvm-qos uplink` has effect whatever the files say of the line in general.
 * @throws QosError('policy') when the feature is invalid.
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
    { source, line: pickRates(fromDom0?.policy ?? {}) },
  ];
  const takeovers = files.filter(({ settings }) => settings.takeover !== undefined);
  const last = takeovers.at(-1);
  const names = new Set(files.flatMap(({ settings }) => Object.keys(settings.interface ?? {})));
  const ofInterface = (name: string): SourcedLine =>
    mergeLayers(
      files.map((file) => ({
        source: file.source,
        line: new Map(Object.entries(file.settings.interface ?? {})).get(name) ?? {},
      })),
    );
  return {
    line: mergeLayers(layers),
    interfaces: new Map(Array.from(names, (name) => [name, ofInterface(name)])),
    takeover: { value: last?.settings.takeover ?? false, source: last?.source ?? 'built in' },
    warnings: [
      ...(fromDom0?.warnings ?? []).map((text) => `${source}: ${text}`),
      ...unused(fromDom0?.policy ?? {}, source),
    ],
  };
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

function pickRates({ up, down }: LineSettings): LineSettings {
  return { ...(up === undefined ? {} : { up }), ...(down === undefined ? {} : { down }) };
}

function unused(
  policy: { readonly scheduler?: string; readonly overhead?: string },
  source: string,
): string[] {
  const keys = (['scheduler', 'overhead'] as const).filter((key) => policy[key] !== undefined);
  return keys.map((key) => `${source}: this version does not use ${key}=.`);
}

/** The settings of one interface. */
export function settingsOf(config: TcConfig, ifname: string): LineSettings {
  const merged = { ...config.line, ...config.interfaces.get(ifname) };
  return Object.fromEntries(Object.entries(merged).map(([key, { value }]) => [key, value]));
}
