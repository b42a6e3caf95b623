// Owns the order of preference among the schedulers, best first, and what each name of the settings stands for.
import type { SchedulerName } from '@qubes-qos/core/tc-config';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { etsBands, prioBands } from './bands.js';
import { cakeScheduler } from './cake.js';
import { htbEtsCake, htbEtsFqCodel } from './htb-ets.js';
import { htbCake, htbFqCodel } from './htb.js';
import type { Scheduler } from './scheduler.js';

/** Those that hold packets back to a rate. */
export const SHAPING: readonly Scheduler[] = [htbEtsCake, htbEtsFqCodel, htbCake, htbFqCodel];
const BANDS: readonly Scheduler[] = [etsBands, prioBands];

/** What a name stands for, best first; `tree` is the user's own and none of ours. */
const BY_NAME: Readonly<Record<Exclude<SchedulerName, 'tree'>, readonly Scheduler[]>> = {
  'htb+ets+cake': [htbEtsCake, htbEtsFqCodel],
  htb: [htbCake, htbFqCodel],
  cake: [cakeScheduler],
  prio: [prioBands],
};

/** A scheduler, and which kinds a better one would have needed. */
export interface Choice {
  readonly scheduler: Scheduler;
  readonly lacking: readonly QdiscKind[];
}

/**
 * The best scheduler that needs none of the missing kinds; undefined when the kernel can do none of them.
 * @param shaped - true when the rate is known. A kernel that cannot shape still gets bands.
 * @param name - what the user asked for; it counts where its rate is known and the kernel can do it.
 */
export function chooseScheduler(
  shaped: boolean,
  missing: ReadonlySet<QdiscKind>,
  name?: Exclude<SchedulerName, 'tree'>,
): Choice | undefined {
  const asked = (name === undefined ? [] : BY_NAME[name]).filter(({ shapes }) => shaped || !shapes);
  const candidates = [...asked, ...(shaped ? [...SHAPING, ...BANDS] : BANDS)];
  const scheduler = candidates.find(({ needs }) => needs.every((kind) => !missing.has(kind)));
  if (!scheduler) return undefined;
  const better = candidates.slice(0, candidates.indexOf(scheduler));
  const lacking = new Set(better.flatMap(({ needs }) => needs).filter((kind) => missing.has(kind)));
  return { scheduler, lacking: [...lacking] };
}
