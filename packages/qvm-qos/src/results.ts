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

/** `get`. */
export interface GetResult {
  readonly command: 'get';
  readonly qube: string;
  /** null when there is none, or the value is not a class. */
  readonly class: ClassName | null;
  /** What is stored; null when nothing is. */
  readonly value: string | null;
}

/** One row of `list`; a value that is not valid is shown all the same. */
export interface ListedPolicy {
  readonly qube: string;
  readonly state: string;
  readonly class: ClassName | null;
  /** What `vm-config.dscp` holds. */
  readonly value: string | null;
  /** What `vm-config.qos-uplink` holds. */
  readonly uplink: string | null;
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

export type Result =
  ChangeResult | GetResult | ListResult | UplinkResult | SyncResult | EnforceResult | LimitResult;
