// Owns `qvm-qos get`: the class of one qube, and whether it has rules.
import { isClassName } from '@qubes-qos/core/classes';
import { FEATURE } from '../feature-names.js';
import { listQubes, type AdminCall } from '../qubesd/admin.js';
import { getFeature } from '../qubesd/features.js';
import type { GetResult } from '../results.js';
import { find } from '../select-qubes.js';

/** What is stored for the qube, and the class that it means. @throws QosError('no-such-domain') */
export async function getClass(call: AdminCall, name: string): Promise<GetResult> {
  find(await listQubes(call), name);
  const [value = null, rules = null] = await Promise.all(
    [FEATURE.class, FEATURE.rules].map((feature) => getFeature(call, name, feature)),
  );
  return {
    command: 'get',
    qube: name,
    class: value !== null && isClassName(value) ? value : null,
    value,
    rules,
  };
}
