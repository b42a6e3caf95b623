// Owns `qvm-qos apply`, `diff` and `export`: all that the user wants of a machine, as one file.
import { fileOfFeatures, renderMachineFile } from '@qubes-qos/core/machine-file';
import { FEATURE } from '../feature-names.js';
import { observeMachine } from '../machine-file/observe.js';
import { planMachine } from '../machine-file/plan.js';
import { readMachineFile } from '../machine-file/read.js';
import type { FeatureChange } from '../publish/diff.js';
import { tellNetvms } from '../publish/tell.js';
import type { AdminCall } from '../qubesd/admin.js';
import type { ApplyResult, DiffResult, ExportResult } from '../results.js';
import { writeAll } from '../transaction.js';

/** How a file is taken: with `keep` what it does not name stays, else it goes. */
export interface FileOptions {
  readonly keep?: boolean;
}

/** Makes the machine what the file says, whole or not at all, and tells the NetVMs. */
export async function applyFile(
  call: AdminCall,
  path: string,
  { keep = false }: FileOptions,
): Promise<ApplyResult> {
  const changes = await plan(call, path, keep);
  await writeAll(
    call,
    changes.map(({ qube, feature, to }) => ({ qube, feature, value: to })),
  );
  const told = await tellNetvms(call, 'all');
  return { command: 'apply', file: path, applied: changes, ...told };
}

/** What `applyFile` would write. */
export async function diffFile(
  call: AdminCall,
  path: string,
  { keep = false }: FileOptions,
): Promise<DiffResult> {
  return { command: 'diff', file: path, changes: await plan(call, path, keep) };
}

/** The file that makes a machine what this one is. */
export async function exportFile(call: AdminCall): Promise<ExportResult> {
  const { features } = await observeMachine(call, []);
  const intent = new Map(
    [...features].map(([qube, values]) => {
      const chosen = [...values].filter(([feature, value]) => feature !== FEATURE.enforce || value !== '1');
      return [qube, new Map(chosen)] as const;
    }),
  );
  const { file, faults } = fileOfFeatures(intent);
  return { command: 'export', text: renderMachineFile(file), warnings: faults };
}

async function plan(call: AdminCall, path: string, keep: boolean): Promise<FeatureChange[]> {
  const read = await readMachineFile(path);
  const netvms = Object.entries(read.file.qubes ?? {}).filter(
    ([, { line, enforce }]) => line !== undefined || enforce !== undefined,
  );
  const observed = await observeMachine(
    call,
    netvms.map(([name]) => name),
  );
  return planMachine(read, observed, { keep });
}
