// Owns the end of every command that changes what a user wants: the NetVMs are told at once.
import { messageOf } from '@qubes-qos/core/errors';
import type { AdminCall } from '../qubesd/admin.js';
import type { Telling } from '../results.js';
import type { PublishOptions } from './publish.js';
import type { Scope } from './read-system.js';

/** Nothing was told, because nothing was changed. */
export const TOLD_NOTHING: Telling = { published: [], errors: [], warnings: [], notes: [] };

/**
 * Publishes. What the user wants is stored already, so that a failure here is said, with what to type, and undoes
 * nothing.
 * @param changed - what was changed, as it was, and how to ask for what the command knows: spares most reads.
 */
export async function tellNetvms(
  call: AdminCall,
  scope: Scope,
  changed: Pick<PublishOptions, 'before' | 'reading'> = {},
): Promise<Telling> {
  // Only now: a command that only shows needs none of it.
  const { publish } = await import('./publish.js');
  try {
    const { changes, errors, warnings, notes } = await publish(call, { scope, ...changed });
    return { published: changes, errors: errors.map(adviseSync), warnings, notes };
  } catch (error) {
    return { ...TOLD_NOTHING, errors: [adviseSync(`the NetVMs were not told: ${messageOf(error)}`)] };
  }
}

function adviseSync(error: string): string {
  return `${error.replace(/\.$/, '')}; to try again: qvm-qos sync`;
}
