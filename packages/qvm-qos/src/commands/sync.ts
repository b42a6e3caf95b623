// Owns `qvm-qos sync`: everything that dom0 tells the NetVMs, made what it should be.
import { publish } from '../publish/publish.js';
import type { AdminCall } from '../qubesd/admin.js';
import type { SyncResult } from '../results.js';

/** Publishes all; with a dry run nothing is written. @throws as AdminCall */
export async function sync(call: AdminCall, { dryRun }: { readonly dryRun: boolean }): Promise<SyncResult> {
  const { changes, ...said } = await publish(call, { scope: 'all', isDryRun: dryRun });
  return { command: 'sync', dryRun, published: changes, ...said };
}
