// Owns `qvm-qos list`: what is set, over all qubes.
import { isClassName } from '@qubes-qos/core/classes';
import { FEATURE } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import { listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { getFeature, listFeatures } from '../qubesd/features.js';
import type { ListedPolicy, ListResult } from '../results.js';

/** The qubes that have a class, rules, a line, limits or a policy, or with `all` every qube; dom0 has no network and is left out. */
export async function listPolicies(call: AdminCall, { all }: { readonly all: boolean }): Promise<ListResult> {
  const qubes = (await listQubes(call)).filter(({ klass }) => klass !== 'AdminVM');
  const rows = await inParallel(qubes, (qube) => readPolicy(call, qube));
  return {
    command: 'list',
    qubes: rows.filter(
      ({ value, rules, uplink, limit, policy }) =>
        all || [value, rules, uplink, limit, policy].some((one) => one !== null),
    ),
  };
}

async function readPolicy(call: AdminCall, { name, state }: ListedQube): Promise<ListedPolicy> {
  const features = await listFeatures(call, name);
  const read = async (feature: string): Promise<string | null> =>
    features.includes(feature) ? ((await getFeature(call, name, feature)) ?? null) : null;
  const [value = null, rules = null, uplink = null, limit = null, policy = null] = await Promise.all(
    [FEATURE.class, FEATURE.rules, FEATURE.uplink, FEATURE.limit, FEATURE.attach].map(read),
  );
  const className = value !== null && isClassName(value) ? value : null;
  const ruleCount = rules === null || rules === '' ? null : await countRules(rules);
  return { qube: name, state, class: className, value, rules, ruleCount, uplink, limit, policy };
}

async function countRules(value: string): Promise<number | null> {
  // Only now: most qubes have none, and what this loads takes longer than the requests.
  const { parseRules } = await import('@qubes-qos/core/qos-rules');
  try {
    return parseRules(value).rules.length;
  } catch {
    return null;
  }
}
