// Owns `qvm-qos list`: what is set, over all qubes.
import { isClassName } from '@qubes-qos/core/classes';
import { FEATURE } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import { listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { getFeature, listFeatures } from '../qubesd/features.js';
import type { ListedPolicy, ListResult } from '../results.js';

/** The qubes that have a class or a line, or with `all` every qube; dom0 has no network and is left out. */
export async function listPolicies(call: AdminCall, { all }: { readonly all: boolean }): Promise<ListResult> {
  const qubes = (await listQubes(call)).filter(({ klass }) => klass !== 'AdminVM');
  const rows = await inParallel(qubes, (qube) => readPolicy(call, qube));
  return {
    command: 'list',
    qubes: rows.filter(({ value, uplink }) => all || value !== null || uplink !== null),
  };
}

async function readPolicy(call: AdminCall, { name, state }: ListedQube): Promise<ListedPolicy> {
  const features = await listFeatures(call, name);
  const read = async (feature: string): Promise<string | null> =>
    features.includes(feature) ? ((await getFeature(call, name, feature)) ?? null) : null;
  const value = await read(FEATURE.class);
  const uplink = await read(FEATURE.uplink);
  return { qube: name, state, class: value !== null && isClassName(value) ? value : null, value, uplink };
}
