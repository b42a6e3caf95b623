// Owns what is said of a qube where a change takes effect later.
import type { ListedQube } from './qubesd/admin.js';

/** Of a qube that is not running. */
export const AT_NEXT_START = 'halted; it takes effect at the next start.';

/** Of a qube that sends nothing. */
export const WITH_NETVM = 'no netvm; it takes effect when there is one.';

/** One line for a qube that is not running, none for one that is. */
export function notesOnStart({ name, state }: ListedQube): string[] {
  return state === 'Halted' ? [`${name}: ${AT_NEXT_START}`] : [];
}
