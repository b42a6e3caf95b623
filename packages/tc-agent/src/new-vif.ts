// Owns /run/qubes-qos/new-vif.tc: what udev has tc do to a vif the moment it is there, when nobody of ours may be awake
// (udev/75-qubes-qos.rules). Until its own filters come, all that its qube sends is cs0, in the flowtable too.
import { readFile, rm } from 'node:fs/promises';
import { DEFAULT_CLASS } from '@qubes-qos/core/classes';
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import { NO_HOOKS } from '@qubes-qos/core/tc/hooks/model';
import { renderHookOp } from '@qubes-qos/core/tc/hooks/render';
import { writeWhole } from '@qubes-qos/host/whole-file';
import { enforceHooks } from './enforce.js';

const PATH = '/run/qubes-qos/new-vif.tc';

/** What stands for the name of the vif in the file. */
const NAME = 'VIF';

/** The batch for tc(8): a filter for each family, at the place where the first pass has its own instead. */
export function newVifBatch(): string {
  const hooks = enforceHooks({ class: DEFAULT_CLASS }).filter(({ dscp }) => dscp === undefined);
  return diffHooks(hooks, NO_HOOKS)
    .map((op) => `${renderHookOp(op, NAME)}\n`)
    .join('');
}

/** Has vifs that come believed nothing from now on, or no longer. */
export async function keepNewVifs(isEnforced: boolean): Promise<void> {
  const wanted = isEnforced ? newVifBatch() : undefined;
  const now = await readFile(PATH, 'utf8').catch(() => undefined);
  if (now === wanted) return;
  if (wanted === undefined) await rm(PATH, { force: true });
  else await writeWhole(PATH, wanted);
}
