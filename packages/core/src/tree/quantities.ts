// Owns the texts of sizes and times in the settings of trees. Rates are in rate.ts.
import { QosError } from '../errors.js';
import { quote } from '../quote.js';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  KiB: 1024,
  MiB: 1024 * 1024,
};

const TIME_UNITS: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6 };

/** Bytes of `32MiB`, `1500B` or a plain number. @throws QosError('config') */
export function parseSize(value: string | number): number {
  return quantity(value, SIZE_UNITS, 'size', 'a number of bytes, or a text with B, kB, MB, KiB or MiB');
}

/** Microseconds of `5ms`, `100us` or `1s`. @throws QosError('config') */
export function parseTime(value: string): number {
  return quantity(value, TIME_UNITS, 'time', 'a number and us, ms or s, as in 5ms');
}

function quantity(
  value: string | number,
  units: Readonly<Record<string, number>>,
  what: string,
  expected: string,
): number {
  const [, digits, unit = ''] =
    typeof value === 'number' ? ['', String(value), 'B'] : (/^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(value) ?? []);
  const amount = Math.round(Number(digits) * (units[unit] ?? NaN));
  if (!Number.isFinite(amount) || amount < 1 || amount > 0xffff_ffff) {
    throw new QosError(
      'config',
      `${what} ${typeof value === 'number' ? value : quote(value)}: expected ${expected}`,
    );
  }
  return amount;
}
