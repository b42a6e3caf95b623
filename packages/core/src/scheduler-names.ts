// Owns the names by which a scheduler can be asked for, in the settings and by dom0.
import { quote } from './quote.js';

/** The schedulers that can be asked for by name; without one the best that the kernel can do is taken. */
export const SCHEDULER_NAMES = ['htb+ets+cake', 'htb', 'cake', 'prio', 'tree'] as const;
export type SchedulerName = (typeof SCHEDULER_NAMES)[number];

export function isSchedulerName(name: string): name is SchedulerName {
  return (SCHEDULER_NAMES as readonly string[]).includes(name);
}

/** The clause for a name that is none of them. */
export function schedulerFault(name: string): string {
  return `unknown scheduler ${quote(name)}: expected ${SCHEDULER_NAMES.slice(0, -1).join(', ')} or ${SCHEDULER_NAMES.at(-1) ?? ''}`;
}
