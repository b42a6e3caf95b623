// Owns what a machine has of what a file can say.
import { isInMachineFile } from '@qubes-qos/core/machine-file';
import { inParallel } from '../in-parallel.js';
import { readFeatures } from '../publish/read-system.js';
import { listLocalQubes, providesNetwork, type AdminCall } from '../qubesd/admin.js';
import type { ObservedMachine } from './plan.js';

/**
 * Reads it.
 * @param netvms - whether the properties of these are wanted, too.
 */
export async function observeMachine(call: AdminCall, netvms: readonly string[]): Promise<ObservedMachine> {
  const listed = await listLocalQubes(call);
  const features = await inParallel(
    listed,
    async ({ name }) => [name, await readFeatures(call, name, isInMachineFile)] as const,
  );
  const qubes = await inParallel(
    listed.filter(({ klass }) => klass !== 'AdminVM'),
    async ({ name }) => [name, netvms.includes(name) && (await providesNetwork(call, name))] as const,
  );
  return { features: new Map(features), qubes: new Map(qubes) };
}
