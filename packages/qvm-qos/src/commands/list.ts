// Owns `qvm-qos list`: what is set, over all qubes.
import { isClassName } from '@qubes-qos/core/classes';
import { FEATURE } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import { listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { getFeature, listFeatures } from '../qubesd/features.js';
import type { ListedPolicy, ListResult } from '../results.js';

/** The qubes that have a class, a line, limits or a policy, or with `all` every qube; dom0 has no network and is left out. */
export async function listPolicies(call: AdminCall, { all }: { readonly all: boolean }): Promise<ListResult> {
  const qubes = (await listQubes(call)).filter(({ klass }) => klass !== 'AdminVM');
  const rows = await inParallel(qubes, (qube) => readPolicy(call, qube));
  return {
    command: 'list',
    qubes: rows.filter(
      ({ value, uplink, limit, policy }) => all || [value, uplink, limit, policy].some((one) => one !== null),
    ),
  };
}

async function readPolicy(call: AdminCall, { name, state }: ListedQube): Promise<ListedPolicy> {
  const features = await listFeatures(call, name);
  const read = async (feature: string): Promise<string | null> =>
    features.includes(feature) ? ((await getFeature(call, name, feature)) ?? null) : null;
  const [value = null, uplink = null, limit = null, policy = null] = await Promise.all(
    [FEATURE.class, FEATURE.uplink, FEATURE.limit, FEATURE.attach].map(read),
  );
  const className = value !== null && isClassName(value) ? value : null;
  return { qube: name, state, class: className, value, uplink, limit, policy };
}
