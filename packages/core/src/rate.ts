// Owns rates: one brand, one parser, one formatter. tc's `kbps` (bytes!) cannot be written by accident.
import { QosError } from './errors.js';
import { quote } from './quote.js';

declare const brand: unique symbol;

/** Bits per second, a positive integer. */
export type BitsPerSecond = number & { readonly [brand]: 'BitsPerSecond' };

/** Largest rate that is accepted, 1 Tbit/s: above it a typing error is more likely than a line. */
const MAX_RATE = 1e12;

const UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** A number of bits per second as a rate; throws QosError('policy') unless it is positive, finite and below 1 Tbit/s. */
export function bitsPerSecond(value: number): BitsPerSecond {
  const rounded = Math.round(value);
  if (!Number.isFinite(value) || rounded <= 0 || rounded > MAX_RATE) {
    throw new QosError(
      'policy',
      `rate of ${value} bit/s: expected more than 0 and at most ${formatRate(MAX_RATE as BitsPerSecond)}.`,
    );
  }
  return rounded as BitsPerSecond;
}

/**
 * Reads `20mbit`, `1.5gbit`, `512kbit` or `9600bit`; decimal units (1 kbit = 1000 bit), lower case, no space.
 * @throws QosError('policy') that names the fault and the expected form.
 */
export function parseRate(text: string): BitsPerSecond {
  const match = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(text);
  const factor = match ? UNITS[match[2] ?? ''] : undefined;
  if (!match || factor === undefined) {
    const bytes = /bps$/i.test(text) ? ' (in tc, "kbps" and "mbps" are bytes)' : '';
    throw new QosError(
      'policy',
      `rate ${quote(text)}: expected a number and bit, kbit, mbit or gbit, as in 20mbit${bytes}.`,
    );
  }
  const value = Number(match[1]) * factor;
  if (Math.round(value) <= 0 || value > MAX_RATE) {
    throw new QosError('policy', `rate ${quote(text)}: expected more than 0 and at most 1000gbit.`);
  }
  return bitsPerSecond(value);
}

/** The shortest exact form that parseRate reads back to the same value: `9500kbit`, `20mbit`, `123bit`. */
export function formatRate(rate: BitsPerSecond): string {
  const unit = rate % 1e9 === 0 ? 'gbit' : rate % 1e6 === 0 ? 'mbit' : rate % 1e3 === 0 ? 'kbit' : 'bit';
  return `${rate / (UNITS[unit] ?? 1)}${unit}`;
}
