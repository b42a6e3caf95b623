// Owns `qvm-qos uplink`: the rate of a NetVM's line, as the feature vm-config.qos-uplink.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { parseOverhead } from '@qubes-qos/core/overhead';
import { isSchedulerName, schedulerFault } from '@qubes-qos/core/scheduler-names';
import {
  formatLineRate,
  formatUplinkPolicy,
  parseLineRate,
  parseUplinkPolicy,
  type UplinkPolicy,
} from '@qubes-qos/core/uplink-policy';
import { FEATURE } from '../feature-names.js';
import { notesOnStart } from '../later.js';
import { listQubes, providesNetwork, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { getFeature, removeFeature, replaceFeature } from '../qubesd/features.js';
import { fromOption } from '../options.js';
import type { UplinkResult } from '../results.js';
import { find } from '../select-qubes.js';
import { readBefore } from '../value-before.js';

/** What the user asked for; nothing at all shows what is set. */
export interface UplinkOptions {
  readonly up?: string;
  readonly down?: string;
  readonly scheduler?: string;
  readonly overhead?: string;
  readonly none?: boolean;
}

/**
 * Shows, changes or removes the line of a NetVM. What is not named stays as it was.
 * @throws QosError of kind usage, no-such-domain, or unsupported for a qube that provides no network
 */
export async function uplink(call: AdminCall, name: string, options: UplinkOptions): Promise<UplinkResult> {
  const wanted = readWanted(options);
  const isChange = Object.keys(wanted).length > 0;
  if (options.none === true && isChange) {
    throw new QosError(
      'usage',
      `argument --none: not allowed with argument --${Object.keys(wanted).join(', --')}`,
    );
  }
  const netvm = find(await listQubes(call), name);
  if (!(await providesNetwork(call, name))) {
    throw new QosError('unsupported', `${name} provides no network: expected a NetVM, such as sys-net.`);
  }
  if (options.none === true) {
    await removeFeature(call, name, FEATURE.uplink);
    return resultOf('remove', netvm, {}, { value: null });
  }
  if (!isChange) return show(call, netvm);
  return change(call, netvm, wanted);
}

/** @throws QosError('usage') that names the option */
function readWanted({ up, down, scheduler, overhead }: UplinkOptions): UplinkPolicy {
  return {
    ...(up === undefined ? {} : { up: fromOption('--up', () => parseLineRate(up)) }),
    ...(down === undefined ? {} : { down: fromOption('--down', () => parseLineRate(down)) }),
    ...(scheduler === undefined
      ? {}
      : { scheduler: fromOption('--scheduler', () => asScheduler(scheduler)) }),
    ...(overhead === undefined ? {} : { overhead: fromOption('--overhead', () => asOverhead(overhead)) }),
  };
}

function asScheduler(name: string): string {
  if (isSchedulerName(name)) return name;
  throw new QosError('usage', `${schedulerFault(name)}.`);
}

function asOverhead(text: string): string {
  parseOverhead(text);
  return text;
}

async function show(call: AdminCall, netvm: ListedQube): Promise<UplinkResult> {
  const value = await getFeature(call, netvm.name, FEATURE.uplink);
  if (value === undefined) return resultOf('show', netvm, {}, { value: null });
  try {
    const { policy, warnings } = parseUplinkPolicy(value);
    return resultOf('show', netvm, policy, { value, warnings });
  } catch (error) {
    throw new QosError('policy', `${FEATURE.uplink} of ${netvm.name}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function change(call: AdminCall, netvm: ListedQube, wanted: UplinkPolicy): Promise<UplinkResult> {
  const before = await getFeature(call, netvm.name, FEATURE.uplink);
  const kept = readBefore(before, parseUplinkPolicy);
  const policy = { ...kept.policy, ...wanted };
  const value = formatUplinkPolicy(policy);
  await replaceFeature(call, { qube: netvm.name, feature: FEATURE.uplink, value, before });
  return resultOf('set', netvm, policy, { value, warnings: kept.warnings });
}

function resultOf(
  action: UplinkResult['action'],
  netvm: ListedQube,
  policy: UplinkPolicy,
  { value, warnings = [] }: { readonly value: string | null; readonly warnings?: readonly string[] },
): UplinkResult {
  return {
    command: 'uplink',
    action,
    netvm: netvm.name,
    value,
    up: policy.up === undefined ? null : formatLineRate(policy.up),
    down: policy.down === undefined ? null : formatLineRate(policy.down),
    scheduler: policy.scheduler ?? null,
    overhead: policy.overhead ?? null,
    warnings,
    notes: action === 'show' ? [] : notesOnStart(netvm),
  };
}
