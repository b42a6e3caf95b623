// Owns what a shaper lets through: part of what the line can do, in the units that tc keeps. Pure.
import { bitsPerSecond, formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import type { LineRate } from '@qubes-qos/core/uplink-policy';

/** Part of what the line can do that the shaper lets through; undefined when no number is known. */
export function shapedRate(rate: LineRate | undefined, use = 100): BitsPerSecond | undefined {
  return typeof rate === 'number' ? wholeBytes((rate * use) / 100) : undefined;
}

/** tc keeps whole bytes per second: a rate that is no multiple of 8 bit would never read back equal. */
export function wholeBytes(rate: number): BitsPerSecond {
  return bitsPerSecond(Math.max(8, Math.floor(rate / 8) * 8));
}

/** Why a line is shaped to this rate, or to none. */
export function rateNotes(
  rate: LineRate | undefined,
  shaped: BitsPerSecond | undefined,
  use: number,
): string[] {
  if (shaped !== undefined && typeof rate === 'number') return [`shaped to ${use} % of ${formatRate(rate)}`];
  if (rate === 'auto') return ['up=auto: this version does not measure the line; bands without a shaper'];
  if (rate === 'off') return ['up=off: bands without a shaper'];
  return ['no rate: bands without a shaper do not shorten delay; in dom0: qvm-qos uplink NETVM --up RATE'];
}
