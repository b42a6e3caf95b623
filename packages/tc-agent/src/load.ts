// Owns how the one-shot commands learn what the resident agent knows: QubesDB, files, and its state since boot.
import { messageOf } from '@qubes-qos/core/errors';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { withQubesDb } from '@qubes-qos/host/qubesdb/client';
import { readDom0, readSettings, type Settings } from './settings.js';
import { readState } from './state-file.js';

export interface Loaded extends Settings {
  readonly missing: Set<QdiscKind>;
}

/** Reads all settings once. QubesDB out of reach is a fault among others: dom0's last word counts on. */
export async function load(): Promise<Loaded> {
  const { good, missing } = await readState();
  const unreachable: string[] = [];
  const dom0 = await withQubesDb(readDom0).catch((error: unknown) => {
    unreachable.push(messageOf(error));
    return undefined;
  });
  const settings = await readSettings(dom0, good);
  return { ...settings, faults: [...unreachable, ...settings.faults], missing: new Set(missing) };
}
