// Owns `qvm-qos get`: the class of one qube.
import { isClassName } from '@qubes-qos/core/classes';
import { VM_CONFIG } from '@qubes-qos/core/vm-config';
import { getVmConfig, listQubes, type AdminCall } from '../qubesd/admin.js';
import type { GetResult } from '../results.js';
import { find } from '../select-qubes.js';

/** What is stored for the qube, and the class that it means. @throws QosError('no-such-domain') */
export async function getClass(call: AdminCall, name: string): Promise<GetResult> {
  find(await listQubes(call), name);
  const value = (await getVmConfig(call, name, VM_CONFIG.dscp)) ?? null;
  return { command: 'get', qube: name, class: value !== null && isClassName(value) ? value : null, value };
}
