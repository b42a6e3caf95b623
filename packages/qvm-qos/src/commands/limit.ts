// Owns `qvm-qos limit`: the rate that a qube may have, as the feature qos.limit.
import { formatSize, LIMITS_VALUE, type ClientLimits } from '@qubes-qos/core/client-limits';
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { formatRate } from '@qubes-qos/core/rate';
import { FEATURE } from '../feature-names.js';
import { notesOnStart, WITH_NETVM } from '../later.js';
import { mergeLimits, readWantedLimits, type LimitOptions } from '../limit-options.js';
import { fromOption } from '../options.js';
import { TOLD_NOTHING, tellNetvms } from '../publish/tell.js';
import { getNetworkProperties, listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { rememberingOthers } from '../qubesd/asked-once.js';
import { getFeature, removeFeature, replaceFeature } from '../qubesd/features.js';
import type { LimitResult } from '../results.js';
import { assertSupported, find } from '../select-qubes.js';
import { readBefore } from '../value-before.js';

/**
 * Shows, changes or removes the limits of a qube. What is not named stays as it was.
 * @throws QosError of kind usage, no-such-domain, or unsupported for a qube that sends no packets here
 */
export async function limit(
  call: AdminCall,
  name: string,
  options: LimitOptions & { readonly none?: boolean },
): Promise<LimitResult> {
  const wanted = readWantedLimits(options);
  const isChange = Object.keys(wanted).length > 0;
  if (options.none === true && isChange) {
    const named = Object.keys(wanted).join(', --');
    throw new QosError('usage', `argument --none: not allowed with argument --${named}`);
  }
  const qube = find(await listQubes(call), name);
  assertSupported(qube, 'limits');
  const before = await getFeature(call, name, FEATURE.limit);
  if (options.none === true) return write(call, { qube, before, limits: {}, warnings: [] });
  if (!isChange) return show(name, before);
  const { policy, warnings } = readBefore(before, LIMITS_VALUE.parse);
  return write(call, { qube, before, limits: mergeLimits(policy, wanted), warnings });
}

function show(name: string, value: string | undefined): LimitResult {
  if (value === undefined || value === '') return resultOf('show', name, {}, {});
  try {
    const { policy, warnings } = LIMITS_VALUE.parse(value);
    return resultOf('show', name, policy, { warnings });
  } catch (error) {
    throw new QosError('policy', `${FEATURE.limit} of ${name}: ${messageOf(error)}`, { cause: error });
  }
}

interface Change {
  readonly qube: ListedQube;
  readonly before: string | undefined;
  readonly limits: ClientLimits;
  readonly warnings: readonly string[];
}

async function write(call: AdminCall, { qube, before, limits, warnings }: Change): Promise<LimitResult> {
  const { name } = qube;
  const value = fromOption('--burst', () => LIMITS_VALUE.format(limits));
  if (value === '') await removeFeature(call, name, FEATURE.limit);
  else await replaceFeature(call, { qube: name, feature: FEATURE.limit, value, before });
  const reading = rememberingOthers(call);
  const [told, { netvm }] = await Promise.all([
    tellNetvms(call, 'concerned', {
      before: new Map([[name, new Map([[FEATURE.limit, before]])]]),
      reading,
    }),
    getNetworkProperties(reading, name),
  ]);
  const notes = [...notesOnStart(qube), ...(netvm === undefined ? [`${name}: ${WITH_NETVM}`] : [])];
  return resultOf(value === '' ? 'remove' : 'set', name, limits, {
    ...told,
    warnings: [...warnings, ...told.warnings],
    notes: [...told.notes, ...notes],
  });
}

function resultOf(
  action: LimitResult['action'],
  qube: string,
  limits: ClientLimits,
  told: Partial<typeof TOLD_NOTHING>,
): LimitResult {
  const value = LIMITS_VALUE.format(limits);
  return {
    ...{ command: 'limit', action, qube, value: value === '' ? null : value },
    up: limits.up === undefined ? null : formatRate(limits.up),
    down: limits.down === undefined ? null : formatRate(limits.down),
    burst: limits.burst === undefined ? null : formatSize(limits.burst),
    ...TOLD_NOTHING,
    ...told,
  };
}
