// Owns the limits of a qube: the feature `qos.limit`, and the tokens that other values share with it.
import { QosError } from './errors.js';
import { quote } from './quote.js';
import { formatRate, parseRate, type BitsPerSecond } from './rate.js';
import { tokenCodec, type TokenFields } from './token-codec.js';

/** Limits of a client; a part that is absent is not limited. */
export interface ClientLimits {
  /** From the client, bits per second. */
  readonly up?: BitsPerSecond;
  /** To the client, bits per second. */
  readonly down?: BitsPerSecond;
  /** Bytes that the client may send at once above `up`; by rule when absent. */
  readonly burst?: number;
}

const SIZE_UNITS: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 * 1024 };
const MAX_BURST = 64 * 1024 * 1024;

const RATE = { parse: parseRate, format: formatRate };

/** The tokens of a limit, for every value that has them. */
export const LIMIT_FIELDS: TokenFields<ClientLimits> = {
  up: RATE,
  down: RATE,
  burst: { parse: parseSize, format: formatSize },
};

/** True for a burst that nothing uses: it is how much may be sent at once above `up`. */
export function hasIdleBurst({ up, burst }: ClientLimits): boolean {
  return burst !== undefined && up === undefined;
}

/** What is said of it. */
export const IDLE_BURST =
  'burst without up: expected both, since the burst is what may be sent at once above up';

/** @throws QosError('policy') for a burst that nothing uses */
export function assertUsed(limits: ClientLimits): void {
  if (hasIdleBurst(limits)) throw new QosError('policy', `${IDLE_BURST}.`);
}

/** `up=5mbit down=20mbit burst=64kb`, each part optional. */
export const LIMITS_VALUE = tokenCodec<ClientLimits>(LIMIT_FIELDS, assertUsed);

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

/** The shortest form that parseSize reads back to the same number. */
export function formatSize(bytes: number): string {
  const unit = bytes % (1024 * 1024) === 0 ? 'mb' : bytes % 1024 === 0 ? 'kb' : 'b';
  return `${bytes / (SIZE_UNITS[unit] ?? 1)}${unit}`;
}
