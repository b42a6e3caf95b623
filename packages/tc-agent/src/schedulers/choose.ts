// Owns the order of preference among the schedulers, best first, and what each name of the settings stands for.
import type { SchedulerName } from '@qubes-qos/core/scheduler-names';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { etsBands, etsCakeBands, prioBands } from './bands.js';
import { cakeScheduler } from './cake.js';
import { htbEtsCake, htbEtsFqCodel } from './htb-ets.js';
import { htbCake, htbFqCodel } from './htb.js';
import type { Scheduler } from './scheduler.js';

/** Those that hold packets back to a rate. */
export const SHAPING: readonly Scheduler[] = [htbEtsCake, htbEtsFqCodel, htbCake, htbFqCodel];
const BANDS: readonly Scheduler[] = [etsBands, prioBands];

/** `tree` is the user's own and none of ours. */
export type NamedScheduler = Exclude<SchedulerName, 'tree'>;

/** What a name stands for, best first. */
const BY_NAME: Readonly<Record<NamedScheduler, readonly Scheduler[]>> = {
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
 * @param wash - true when the DSCP of what leaves is to be cleared.
 */
export function chooseScheduler(
  shaped: boolean,
  missing: ReadonlySet<QdiscKind>,
  { name, wash = false }: { readonly name?: NamedScheduler | undefined; readonly wash?: boolean } = {},
): Choice | undefined {
  const asked = (name === undefined ? [] : BY_NAME[name]).filter(({ shapes }) => shaped || !shapes);
  const bands = wash ? [etsCakeBands, ...BANDS] : BANDS;
  const candidates = [...asked, ...(shaped ? [...SHAPING, ...bands] : bands)];
  const scheduler = candidates.find(({ needs }) => needs.every((kind) => !missing.has(kind)));
  if (!scheduler) return undefined;
  const better = candidates.slice(0, candidates.indexOf(scheduler));
  const lacking = new Set(better.flatMap(({ needs }) => needs).filter((kind) => missing.has(kind)));
  return { scheduler, lacking: [...lacking] };
}
