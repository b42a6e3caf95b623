// Owns several writes that are one: when a later one is refused, the earlier ones are undone.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { assertFeature } from '@qubes-qos/core/vm-config';
import type { AdminCall } from './qubesd/admin.js';
import { getFeature, removeFeature, replaceFeature, setFeature } from './qubesd/features.js';

/** A feature to set, or with null to remove. */
export interface FeatureWrite {
  readonly qube: string;
  readonly feature: string;
  readonly value: string | null;
}

/**
 * Writes all, in order, or nothing: every value is looked at before the first is sent, and what was written before a
 * refusal gets its value from before.
 * @throws what refused the write, with what could not be undone
 */
export async function writeAll(call: AdminCall, writes: readonly FeatureWrite[]): Promise<void> {
  for (const { feature, value } of writes) if (value !== null) assertFeature(feature, value);
  const done: FeatureWrite[] = [];
  for (const { qube, feature, value } of writes) {
    const before = (await getFeature(call, qube, feature)) ?? null;
    if (before === value) continue;
    try {
      await write(call, { qube, feature, value }, before);
    } catch (error) {
      throw await undoing(call, done, `${qube}: ${messageOf(error)}`, error);
    }
    done.push({ qube, feature, value: before });
  }
}

async function undoing(
  call: AdminCall,
  done: readonly FeatureWrite[],
  reason: string,
  cause: unknown,
): Promise<QosError> {
  const left: string[] = [];
  for (const { qube, feature, value } of done.toReversed()) {
    try {
      if (value === null) await removeFeature(call, qube, feature);
      else await setFeature(call, qube, feature, value);
    } catch {
      left.push(`qvm-features ${value === null ? `-D ${qube} ${feature}` : `${qube} ${feature} '${value}'`}`);
    }
  }
  const kind = cause instanceof QosError ? cause.kind : 'internal';
  const undone =
    left.length === 0 ? 'nothing was changed' : `not all could be undone; to do so: ${left.join('; ')}`;
  return new QosError(kind, `${reason.replace(/\.$/, '')}; ${undone}.`, { cause });
}

async function write(
  call: AdminCall,
  { qube, feature, value }: FeatureWrite,
  before: string | null,
): Promise<void> {
  if (value === null) await removeFeature(call, qube, feature);
  else await replaceFeature(call, { qube, feature, value, before: before ?? undefined });
}
