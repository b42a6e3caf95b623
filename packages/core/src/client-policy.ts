// Owns `vm-config.qos.<ip>`: what dom0 says on a NetVM about the client with that address (design.md 3.2).
import * as z from 'zod/mini';
import { CLASS_NAMES, classNameList, type ClassName } from './classes.js';
import { QosError, messageOf } from './errors.js';
import { quote } from './quote.js';
import { parseRate, type BitsPerSecond } from './rate.js';
import { knownTokens } from './tokens.js';

/** Limits of a client; a part that is absent is not limited. */
export interface ClientLimits {
  /** From the client, bits per second. */
  readonly up?: BitsPerSecond;
  /** To the client, bits per second. */
  readonly down?: BitsPerSecond;
  /** Bytes that the client may send at once above `up`; by rule when absent. */
  readonly burst?: number;
}

/** All that dom0 says about a client. */
export interface ClientPolicy extends ClientLimits {
  /** What its traffic becomes that is above `max` or has a DSCP of no class. */
  readonly class?: ClassName;
  /** The best class that its traffic may have. */
  readonly max?: ClassName;
  /** What DSCP 0 means: `class`, or `keep` for cs0. */
  readonly zero?: 'class' | 'keep';
  /** The client's IPv6 address. */
  readonly ip6?: string;
}

/** A policy and one warning for each key that this version does not know. */
export interface ClientReading {
  readonly policy: ClientPolicy;
  readonly warnings: readonly string[];
}

const CLASS = z.enum(CLASS_NAMES, { error: `expected ${classNameList()}` });
const RATE = z.pipe(z.string(), transformed(parseRate));
const SIZE = z.pipe(z.string(), transformed(parseSize));

const CLIENT_POLICY = z.strictObject({
  class: z.exactOptional(CLASS),
  max: z.exactOptional(CLASS),
  zero: z.exactOptional(z.enum(['class', 'keep'], { error: 'expected class or keep' })),
  ip6: z.exactOptional(z.ipv6({ error: 'expected an IPv6 address' })),
  up: z.exactOptional(RATE),
  down: z.exactOptional(RATE),
  burst: z.exactOptional(SIZE),
});

const KEYS = Object.keys(CLIENT_POLICY.shape);

/**
 * Reads a value such as `class=ef max=ef zero=class up=5mbit down=20mbit`. A key that this version does not know is a
 * warning, so that a new dom0 can talk to an old template.
 * @throws QosError('policy') for anything else that is wrong: then nothing of the value counts.
 */
export function parseClientPolicy(value: string): ClientReading {
  const { tokens, warnings } = knownTokens(value, KEYS);
  const result = z.safeParse(CLIENT_POLICY, tokens);
  if (result.success) return { policy: result.data, warnings };
  const faults = result.error.issues.map(({ path, message }) => {
    const key = path.map(String).join('.');
    return `${key}=${quote(tokens[key] ?? '')}: ${message.replace(/\.$/, '')}`;
  });
  throw new QosError('policy', `${faults.join('; ')}.`);
}

const SIZE_UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 * 1024 };
const MAX_BURST = 64 * 1024 * 1024;

/** Reads `64kb` or `1mb`: multiples of 1024, as in tc. @throws QosError('policy') */
export function parseSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})(b|kb|mb)$/.exec(text) ?? [];
  const bytes = Number(digits) * (SIZE_UNITS[unit] ?? 0);
  if (bytes > 0 && bytes <= MAX_BURST) return bytes;
  throw new QosError(
    'policy',
    `size ${quote(text)}: expected a whole number and b, kb or mb, at most 64mb, as in 64kb.`,
  );
}

function transformed<T>(parse: (text: string) => T) {
  return z.transform((text: string, context): T => {
    try {
      return parse(text);
    } catch (error) {
      context.issues.push({ code: 'custom', input: text, message: messageOf(error) });
      return z.NEVER;
    }
  });
}
