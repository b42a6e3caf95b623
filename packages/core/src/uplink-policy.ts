// Owns `vm-config.qos-uplink`: what the user says about the line of a NetVM, and its one text form.
import { QosError, messageOf } from './errors.js';
import { formatRate, parseRate, type BitsPerSecond } from './rate.js';
import {
  readTokens,
  writeTokens,
  type TokenFault,
  type TokenField,
  type TokenFields,
  type TokenReading,
} from './token-codec.js';

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

const LINE_RATE: TokenField<LineRate> = { parse: parseLineRate, format: formatLineRate };

const WORD: TokenField<string> = {
  parse: (text) => {
    if (/^[A-Za-z0-9+_.:-]{1,64}$/.test(text)) return text;
    throw new QosError('policy', 'expected 1 to 64 of A-Z a-z 0-9 + _ . : -');
  },
  format: (word) => word,
};

/** The tokens of the value, in the order in which they are written. */
export const UPLINK_FIELDS: TokenFields<UplinkPolicy> = {
  up: LINE_RATE,
  down: LINE_RATE,
  scheduler: WORD,
  overhead: WORD,
};

/**
 * Reads a value such as `up=20mbit down=100mbit scheduler=cake`; an empty value is an empty policy. A key that
 * this version does not know becomes a warning, so that a new dom0 can talk to an old template.
 * @throws QosError('policy') for a token that is not key=value, a key given twice, or a wrong value.
 */
export function parseUplinkPolicy(value: string): UplinkReading {
  const { policy, warnings, faults } = readTokens(value, UPLINK_FIELDS);
  if (faults.length > 0) throw new QosError('policy', describe(faults));
  return { policy, warnings };
}

/**
 * The value to store: tokens in a fixed order, one space between them; empty for an empty policy.
 * @throws QosError('policy') for an unknown key or a value that parseUplinkPolicy would not read back.
 */
export function formatUplinkPolicy(policy: UplinkPolicy): string {
  const { text, faults } = writeTokens(policy, UPLINK_FIELDS);
  if (faults.length > 0) throw new QosError('policy', describe(faults));
  return text;
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

function describe(faults: readonly TokenFault[]): string {
  const expected = Object.keys(UPLINK_FIELDS).join(', ');
  return faults
    .map(({ key, message }) =>
      key === undefined ? `${message}: expected ${expected}` : `${key}: ${message}`,
    )
    .join('; ');
}
