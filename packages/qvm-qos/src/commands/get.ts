// Owns `qvm-qos get`: the class of one qube.
import { isClassName } from '@qubes-qos/core/classes';
import { FEATURE } from '../feature-names.js';
import { listQubes, type AdminCall } from '../qubesd/admin.js';
import { getFeature } from '../qubesd/features.js';
import type { GetResult } from '../results.js';
import { find } from '../select-qubes.js';

/** What is stored for the qube, and the class that it means. @throws QosError('no-such-domain') */
export async function getClass(call: AdminCall, name: string): Promise<GetResult> {
  find(await listQubes(call), name);
  const value = (await getFeature(call, name, FEATURE.class)) ?? null;
  return { command: 'get', qube: name, class: value !== null && isClassName(value) ? value : null, value };
}
