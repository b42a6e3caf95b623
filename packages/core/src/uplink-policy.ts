// Owns `vm-config.qos-uplink`: what the user says about the line of a NetVM, and its one text form.
import * as z from 'zod/mini';
import { asIssue } from './as-issue.js';
import { QosError, messageOf } from './errors.js';
import { quote } from './quote.js';
import { formatRate, parseRate, type BitsPerSecond } from './rate.js';
import type { TokenReading } from './token-codec.js';
import { knownTokens } from './tokens.js';

/** A rate of the line: bits per second, `auto` (measured by the agent) or `off` (not shaped). */
export type LineRate = BitsPerSecond | 'auto' | 'off';

/** What the user says about a NetVM's line; a part that is absent is left to the agent's configuration. */
export interface UplinkPolicy {
  /** From the qubes to the Internet. */
  readonly up?: LineRate;
  /** From the Internet to the qubes. */
  readonly down?: LineRate;
  /** Name of a scheduler; the tc agent knows which there are. */
  readonly scheduler?: string;
  /** Name of a link-layer preset or a number of bytes; the tc agent knows which there are. */
  readonly overhead?: string;
}

/** A policy and what was left out of it: one sentence for each unknown key. */
export type UplinkReading = TokenReading<UplinkPolicy>;

const LINE_RATE = z.codec(
  z.string(),
  z.custom<LineRate>(isLineRate, 'expected bits per second, auto or off'),
  {
    decode: asIssue(parseLineRate),
    encode: (rate) => (typeof rate === 'number' ? formatRate(rate) : rate),
  },
);

const WORD = z
  .string()
  .check(z.regex(/^[A-Za-z0-9+_.:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 + _ . : -'));

/** The schema of the value, with its keys in the order in which they are written. */
export const UPLINK_POLICY = z.strictObject({
  up: z.exactOptional(LINE_RATE),
  down: z.exactOptional(LINE_RATE),
  scheduler: z.exactOptional(WORD),
  overhead: z.exactOptional(WORD),
});

const KEYS = Object.keys(UPLINK_POLICY.shape);

/**
 * Reads a value such as `up=20mbit down=100mbit scheduler=cake`; an empty value is an empty policy. A key that
 * this version does not know becomes a warning, so that a new dom0 can talk to an old template.
 * @throws QosError('policy') for a token that is not key=value, a key given twice, or a wrong value.
 */
export function parseUplinkPolicy(value: string): UplinkReading {
  const { tokens, warnings } = knownTokens(value, KEYS);
  const result = z.safeDecode(UPLINK_POLICY, tokens);
  if (!result.success) throw new QosError('policy', describe(result.error.issues));
  return { policy: result.data, warnings };
}

/**
 * The value to store: tokens in a fixed order, one space between them; empty for an empty policy.
 * @throws QosError('policy') for an unknown key or a value that parseUplinkPolicy would not read back.
 */
export function formatUplinkPolicy(policy: UplinkPolicy): string {
  const result = z.safeEncode(UPLINK_POLICY, policy);
  if (!result.success) throw new QosError('policy', describe(result.error.issues));
  const texts = new Map(Object.entries(result.data));
  return KEYS.flatMap((key) => (texts.has(key) ? [`${key}=${texts.get(key) ?? ''}`] : [])).join(' ');
}

/** Reads `20mbit`, `auto` or `off`. @throws QosError('policy') */
export function parseLineRate(text: string): LineRate {
  if (text === 'auto' || text === 'off') return text;
  try {
    return parseRate(text);
  } catch (error) {
    throw new QosError('policy', `${messageOf(error).replace(/\.$/, '')}; or auto, or off.`, {
      cause: error,
    });
  }
}

/** The text that parseLineRate reads back to the same rate. */
export function formatLineRate(rate: LineRate): string {
  return typeof rate === 'number' ? formatRate(rate) : rate;
}

function isLineRate(value: unknown): value is LineRate {
  return (
    value === 'auto' || value === 'off' || (typeof value === 'number' && Number.isInteger(value) && value > 0)
  );
}

function describe(issues: readonly z.core.$ZodIssue[]): string {
  return issues
    .map((issue) => {
      if (issue.code === 'unrecognized_keys') {
        return `unknown key ${issue.keys.map(quote).join(', ')}: expected ${KEYS.join(', ')}`;
      }
      return [...issue.path.map(String), issue.message].join(': ');
    })
    .join('; ');
}
