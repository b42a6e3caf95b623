// Owns the form of trees, values, aliases and groups in the settings files: which keys there are and what types they
// have. What the values come to on an interface is resolve.ts's.
import * as z from 'zod/mini';
import { parsed } from '../as-issue.js';
import { parseLeaf, type LeafConfig } from './leaf.js';

/** A part of another rate. */
export interface Share {
  readonly percent: number;
  /** Rates. */
  readonly min?: string;
  readonly max?: string;
  /** The interface whose rate it is a part of, by name or alias; the parent's when absent. */
  readonly of?: string;
}

/** `512kbit`, `40%`, a share, or the name of a value. */
export type RateConfig = string | Share;

/** Bytes, `4kB`, a formula of `rate` and `ceil`, or the name of a value. */
export type SizeConfig = string | number;

/** One of the user's own named values. */
export type NamedValue = string | number | Share;

export interface ClassConfig {
  /** True: another file says what this class is; here it is only named as a parent. */
  readonly elsewhere?: boolean;
  /** Name of the class that this one is in; the top of the tree when absent. */
  readonly parent?: string;
  readonly rate?: RateConfig;
  readonly ceil?: RateConfig;
  readonly burst?: SizeConfig;
  readonly cburst?: SizeConfig;
  readonly quantum?: number;
  readonly prio?: number;
  /** `ef`, `dscp 34`, `mark 0x10/0xff`. */
  readonly match?: readonly string[];
  readonly leaf?: LeafConfig;
}

export interface TreeConfig {
  /** Rate of the top; what the interface may use when absent. */
  readonly rate?: RateConfig;
  readonly ceil?: RateConfig;
  readonly burst?: SizeConfig;
  readonly cburst?: SizeConfig;
  readonly r2q?: number;
  /** Class of packets that no other takes, or `unshaped`. */
  readonly default?: string;
  readonly class?: Readonly<Record<string, ClassConfig>>;
}

const NAME = z
  .string()
  .check(z.regex(/^[A-Za-z][\w-]{0,31}$/, 'a name: a letter, then letters, digits, _ or -'));
const VALUE_NAME = z
  .string()
  .check(z.regex(/^[A-Za-z]\w{0,31}$/, 'a name: a letter, then letters, digits or _'));
const INTERFACE = z.string().check(z.regex(/^[^\s/]{1,15}$/, 'the name of an interface'));

const SHARE = z.strictObject({
  percent: z.number().check(z.gt(0), z.lte(100)),
  min: z.exactOptional(z.string()),
  max: z.exactOptional(z.string()),
  of: z.exactOptional(z.string()),
});

/** A union that says what it expects: zod/mini has no words for what fits no member, and a table is a share. */
function oneOf<T extends string | number>(
  isScalar: (value: unknown) => value is T,
  expected: string,
): z.ZodMiniType<T | Share> {
  return z.pipe(
    z.unknown(),
    z.transform((value, context): T | Share => {
      if (isScalar(value)) return value;
      const result = z.safeParse(SHARE, value);
      if (result.success) return result.data;
      const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
      const issues = isTable ? result.error.issues : [];
      context.issues.push(
        ...issues.map((issue) => ({ ...issue, input: value }) as never),
        ...(isTable
          ? []
          : [
              {
                code: 'custom' as const,
                input: value,
                message: `found ${JSON.stringify(value)}, expected ${expected}`,
              },
            ]),
      );
      return z.NEVER;
    }),
  );
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTextOrNumber = (value: unknown): value is string | number =>
  isText(value) || typeof value === 'number';

const RATE = oneOf(isText, 'a rate such as "512kbit", a share such as "40%", or the name of a value');
const SIZE = z.union([z.string(), z.number()]);

const LEAF = parsed(z.unknown(), parseLeaf);

const CLASS = z.strictObject({
  elsewhere: z.exactOptional(z.literal(true)),
  parent: z.exactOptional(z.string()),
  rate: z.exactOptional(RATE),
  ceil: z.exactOptional(RATE),
  burst: z.exactOptional(SIZE),
  cburst: z.exactOptional(SIZE),
  quantum: z.exactOptional(z.number().check(z.int(), z.gte(1), z.lte(200_000))),
  prio: z.exactOptional(z.number().check(z.int(), z.gte(0), z.lte(7))),
  match: z.exactOptional(z.array(z.string())),
  leaf: z.exactOptional(LEAF),
});

const TREE = z.strictObject({
  rate: z.exactOptional(RATE),
  ceil: z.exactOptional(RATE),
  burst: z.exactOptional(SIZE),
  cburst: z.exactOptional(SIZE),
  r2q: z.exactOptional(z.number().check(z.int(), z.gte(1), z.lte(1_000_000))),
  default: z.exactOptional(z.string()),
  class: z.exactOptional(z.record(NAME, CLASS)),
});

/** Every key of a share, a class and a tree. */
export const TREE_KEY_NAMES: readonly string[] = [SHARE, CLASS, TREE].flatMap(({ shape }) =>
  Object.keys(shape),
);

/** The keys of a settings file that trees are made of. */
export const TREE_KEYS = {
  values: z.exactOptional(
    z.record(VALUE_NAME, oneOf(isTextOrNumber, 'a number, a rate, a share or a formula')),
  ),
  alias: z.exactOptional(z.record(INTERFACE, INTERFACE)),
  group: z.exactOptional(z.record(INTERFACE, z.array(INTERFACE))),
  tree: z.exactOptional(z.record(NAME, TREE)),
};

/** What files say of trees, put together: later files win, value by value and class by class. */
export interface TreesConfig {
  readonly values: Readonly<Record<string, NamedValue>>;
  /** Alias -> interface. */
  readonly alias: Readonly<Record<string, string>>;
  /** Group -> interfaces or aliases. */
  readonly group: Readonly<Record<string, readonly string[]>>;
  readonly tree: Readonly<Record<string, TreeConfig>>;
}

/** The same keys of one file. */
export type FileTrees = Partial<TreesConfig>;

/** Puts the trees of all files together. */
export function mergeTrees(files: readonly FileTrees[]): TreesConfig {
  const names = new Set(files.flatMap(({ tree }) => Object.keys(tree ?? {})));
  return {
    values: Object.assign({}, ...files.map(({ values }) => values)) as TreesConfig['values'],
    alias: Object.assign({}, ...files.map(({ alias }) => alias)) as TreesConfig['alias'],
    group: Object.assign({}, ...files.map(({ group }) => group)) as TreesConfig['group'],
    tree: Object.fromEntries(
      Array.from(names, (name) => [
        name,
        mergeTree(files.flatMap(({ tree }) => (tree && Object.hasOwn(tree, name) ? [tree[name] ?? {}] : []))),
      ]),
    ),
  };
}

function mergeTree(parts: readonly TreeConfig[]): TreeConfig {
  const classes: Record<string, ClassConfig> = {};
  for (const part of parts) {
    for (const [name, one] of Object.entries(part.class ?? {})) {
      // What an earlier file says of a class goes, unless the later one only names it.
      if (one.elsewhere !== true || !Object.hasOwn(classes, name)) classes[name] = one;
    }
  }
  return { ...(Object.assign({}, ...parts) as TreeConfig), class: classes };
}
