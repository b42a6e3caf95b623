// Owns what the commands return: the same objects that --json prints and that the text is made of.
import type { ClassName } from '@qubes-qos/core/classes';
import type { FeatureChange } from './publish/diff.js';

/** Number of the JSON form; a change that a script could notice makes it grow. */
export const RESULT_VERSION = 1;

/** What happened to one qube of `set` or `unset`. */
export interface QubeChange {
  readonly qube: string;
  readonly done: boolean;
  /** Why not; null when done. */
  readonly error: string | null;
}

/** What the NetVMs were told because of a command. */
export interface Telling {
  readonly published: readonly FeatureChange[];
  /** Why not all of it. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** `set` and `unset`. */
export interface ChangeResult extends Telling {
  readonly command: 'set' | 'unset';
  /** null for unset. */
  readonly class: ClassName | null;
  readonly qubes: readonly QubeChange[];
}

/** `sync`; with a dry run `published` is what would be written. */
export interface SyncResult extends Telling {
  readonly command: 'sync';
  readonly dryRun: boolean;
}

/** `enforce`: whether a NetVM believes dom0, as it is afterwards. */
export interface EnforceResult extends Telling {
  readonly command: 'enforce';
  readonly action: 'show' | 'set' | 'remove';
  readonly netvm: string;
  readonly enforce: boolean;
  /** What is stored; null when nothing is. */
  readonly value: string | null;
}

/** `limit`: the limits of a qube as they are afterwards. */
export interface LimitResult extends Telling {
  readonly command: 'limit';
  readonly action: 'show' | 'set' | 'remove';
  readonly qube: string;
  /** What is stored; null when nothing is. */
  readonly value: string | null;
  /** As in the value; null for a part that it does not name. */
  readonly up: string | null;
  readonly down: string | null;
  readonly burst: string | null;
}

/** `rule`: the rules inside a qube as they are afterwards. */
export interface RuleResult extends Telling {
  readonly command: 'rule';
  readonly action: 'list' | 'add' | 'del' | 'reset';
  readonly qube: string;
  /** What is stored; null when nothing is. */
  readonly value: string | null;
  /** Those that can be read, in order. */
  readonly rules: readonly string[];
  /** Those that a policy gives, in force where nothing is stored. */
  readonly policyRules: readonly string[];
}

/** `get`. */
export interface GetResult {
  readonly command: 'get';
  readonly qube: string;
  /** null when there is none, or the value is not a class. */
  readonly class: ClassName | null;
  /** What is stored; null when nothing is. */
  readonly value: string | null;
  /** What `vm-config.qos-rules` holds. */
  readonly rules: string | null;
}

/** One row of `list`; a value that is not valid is shown all the same. */
export interface ListedPolicy {
  readonly qube: string;
  readonly state: string;
  readonly class: ClassName | null;
  /** What `vm-config.dscp` holds. */
  readonly value: string | null;
  /** What `vm-config.qos-rules` holds. */
  readonly rules: string | null;
  /** How many these are; null when there are none, or the value cannot be read. */
  readonly ruleCount: number | null;
  /** What `vm-config.qos-uplink` holds. */
  readonly uplink: string | null;
  /** What `qos.limit` holds. */
  readonly limit: string | null;
  /** What `qos.attach` holds: the name of a policy. */
  readonly policy: string | null;
}

/** `list`. */
export interface ListResult {
  readonly command: 'list';
  readonly qubes: readonly ListedPolicy[];
}

/** `uplink`: the line of a NetVM as it is afterwards. */
export interface UplinkResult {
  readonly command: 'uplink';
  readonly action: 'show' | 'set' | 'remove';
  readonly netvm: string;
  /** What is stored; null when nothing is. */
  readonly value: string | null;
  /** As in the value; null for a part that it does not name. */
  readonly up: string | null;
  readonly down: string | null;
  readonly scheduler: string | null;
  readonly overhead: string | null;
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** One rule of a policy; a policy has at most one of each kind. */
export type ShownRule =
  | { readonly kind: 'class'; readonly class: ClassName }
  | {
      readonly kind: 'bandwidth';
      readonly up: string | null;
      readonly down: string | null;
      readonly burst: string | null;
    }
  /** Rules inside each qube, in order. */
  | { readonly kind: 'in-qube'; readonly rules: readonly string[] };

/** A policy with a name. */
export interface ShownPolicy {
  readonly name: string;
  /** False for one that something else stored and that cannot be read: it has no effect. */
  readonly isUsable: boolean;
  readonly rules: readonly ShownRule[];
  readonly attached: {
    readonly qubes: readonly string[];
    /** For all clients of these. */
    readonly netvms: readonly string[];
    readonly tags: readonly string[];
  };
}

/** `policy`: the policies that were asked for, or the one that was changed as it is afterwards; none when deleted. */
export interface PolicyResult extends Telling {
  readonly command: 'policy';
  readonly action: 'list' | 'show' | 'create' | 'update' | 'delete' | 'attach' | 'detach';
  /** Its name; null for `list`. */
  readonly policy: string | null;
  readonly policies: readonly ShownPolicy[];
}

/** `apply`. */
export interface ApplyResult extends Telling {
  readonly command: 'apply';
  readonly file: string;
  /** What the user wants and the machine did not have. */
  readonly applied: readonly FeatureChange[];
}

/** `diff`. */
export interface DiffResult {
  readonly command: 'diff';
  readonly file: string;
  readonly changes: readonly FeatureChange[];
}

/** `export`. */
export interface ExportResult {
  readonly command: 'export';
  /** The file. */
  readonly text: string;
  readonly warnings: readonly string[];
}

export type Result =
  | ChangeResult
  | GetResult
  | ListResult
  | UplinkResult
  | SyncResult
  | EnforceResult
  | LimitResult
  | RuleResult
  | PolicyResult
  | ApplyResult
  | DiffResult
  | ExportResult;
