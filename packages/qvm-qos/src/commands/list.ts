// Owns `qvm-qos list`: what is set, over all qubes.
import { isClassName } from '@qubes-qos/core/classes';
import { VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from '@qubes-qos/core/vm-config';
import { inParallel } from '../in-parallel.js';
import { getVmConfig, listFeatures, listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
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
  const read = async (key: string): Promise<string | null> =>
    features.includes(VM_CONFIG_FEATURE_PREFIX + key) ? ((await getVmConfig(call, name, key)) ?? null) : null;
  const value = await read(VM_CONFIG.dscp);
  const uplink = await read(VM_CONFIG.uplink);
  return { qube: name, state, class: value !== null && isClassName(value) ? value : null, value, uplink };
}
