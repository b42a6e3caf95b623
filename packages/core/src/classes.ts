// Owns the five traffic classes. Names, code points, order and default shares exist nowhere else.

/** The class names, best first. A name added here does not compile until CLASSES has its row. */
export const CLASS_NAMES = ['ef', 'cs5', 'cs0', 'cs2', 'cs1'] as const;

/** The name of a class, as the user types it and as `vm-config.dscp` holds it. */
export type ClassName = (typeof CLASS_NAMES)[number];

/** One traffic class. */
export interface TrafficClass {
  readonly name: ClassName;
  /** DSCP, 0–63: the upper six bits of the IPv4 TOS byte and of the IPv6 traffic class (RFC 2474). */
  readonly dscp: number;
  /** Band that serves it: 0 is served first. */
  readonly rank: number;
  /** Weight among the classes that wait when EF has nothing to send; 0 means served strictly first. */
  readonly share: number;
  /** User priority on Wi-Fi, 0-7, which chooses the access category (RFC 8325 section 4.3). */
  readonly userPriority: number;
  readonly description: string;
  /** The document that defines the code point. */
  readonly rfc: string;
}

interface ClassRow {
  readonly dscp: number;
  readonly share: number;
  readonly userPriority: number;
  readonly description: string;
  readonly rfc: string;
}

const ROWS: Readonly<Record<ClassName, ClassRow>> = {
  ef: { dscp: 46, share: 0, userPriority: 6, description: 'calls: served first', rfc: 'RFC 3246' },
  cs5: {
    dscp: 40,
    share: 4,
    userPriority: 5,
    description: 'interactive: remote desktop, signalling',
    rfc: 'RFC 4594',
  },
  cs0: { dscp: 0, share: 3, userPriority: 0, description: 'everything else (the default)', rfc: 'RFC 2474' },
  // RFC 4594 uses CS2 for network management; below best effort is the meaning the original gave it.
  cs2: {
    dscp: 16,
    share: 2,
    userPriority: 0,
    description: 'low: large transfers that someone waits for',
    rfc: 'RFC 2474',
  },
  cs1: { dscp: 8, share: 1, userPriority: 1, description: 'background: backups, updates', rfc: 'RFC 3662' },
};

/** The classes, best first. */
export const CLASSES: readonly TrafficClass[] = CLASS_NAMES.map((name, rank) => ({
  name,
  rank,
  ...ROWS[name],
}));

/** The class of traffic that nobody said anything about. */
export const DEFAULT_CLASS: ClassName = 'cs0';

/** The row of a class. */
export function classOf(name: ClassName): TrafficClass {
  return { name, rank: CLASS_NAMES.indexOf(name), ...ROWS[name] };
}

/** True when the text is exactly a class name: lower case, no spaces. */
export function isClassName(text: string): text is ClassName {
  return (CLASS_NAMES as readonly string[]).includes(text);
}

/** The class names for a message: `ef, cs5, cs0, cs2 or cs1`. */
export function classNameList(): string {
  return `${CLASS_NAMES.slice(0, -1).join(', ')} or ${CLASS_NAMES.at(-1) ?? ''}`;
}

/** The better of two classes. */
export function betterClass(one: ClassName, other: ClassName): ClassName {
  return CLASS_NAMES.indexOf(one) < CLASS_NAMES.indexOf(other) ? one : other;
}

/** The worse of two classes. */
export function worseClass(one: ClassName, other: ClassName): ClassName {
  return betterClass(one, other) === one ? other : one;
}
