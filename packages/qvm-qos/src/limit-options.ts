// Owns limits on the command line: what is named changes, `off` takes a part away.
import { parseSize, type ClientLimits } from '@qubes-qos/core/client-limits';
import { parseRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import { fromOption } from './options.js';

/** As it is typed. */
export interface LimitOptions {
  readonly up?: string;
  readonly down?: string;
  readonly burst?: string;
}

/** As it is meant. */
export type WantedLimits = { readonly [Part in keyof ClientLimits]: ClientLimits[Part] | 'off' };

/** @throws QosError('usage') that names the option */
export function readWantedLimits({ up, down, burst }: LimitOptions): WantedLimits {
  const rate = (text: string): BitsPerSecond | 'off' => (text === 'off' ? 'off' : parseRate(text));
  return {
    ...(up === undefined ? {} : { up: fromOption('--up', () => rate(up)) }),
    ...(down === undefined ? {} : { down: fromOption('--down', () => rate(down)) }),
    ...(burst === undefined
      ? {}
      : { burst: fromOption('--burst', () => (burst === 'off' ? 'off' : parseSize(burst))) }),
  };
}

/** Where the rate goes its burst goes with it: there is nothing left that it could be above. */
export function mergeLimits(before: ClientLimits, wanted: WantedLimits): ClientLimits {
  const burst = wanted.up === 'off' ? { burst: 'off', ...wanted } : wanted;
  const parts = Object.entries({ ...before, ...burst }).filter(([, value]) => value !== 'off');
  return Object.fromEntries(parts);
}
