// Owns reading and writing features so that a refused value does no harm.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { assertFeature } from '@qubes-qos/core/vm-config';
import { linesOf, unlessRaised, type AdminCall } from './admin.js';

/** The names of the features that are set on a qube. */
export async function listFeatures(call: AdminCall, qube: string): Promise<string[]> {
  return linesOf(await call({ method: 'admin.vm.feature.List', destination: qube }));
}

/** The value of a feature, or undefined when it is not set. */
export async function getFeature(
  call: AdminCall,
  qube: string,
  feature: string,
): Promise<string | undefined> {
  return unlessRaised('QubesFeatureNotFoundError', () =>
    call({ method: 'admin.vm.feature.Get', argument: feature, destination: qube }),
  );
}

/**
 * Sets a feature. qubesd stores a value before it looks at it, so after a failure the value from before is
 * put back, and what cannot be put back is removed: a refused value can keep a qube from starting.
 * @returns the value from before
 * @throws QosError('policy') before anything was sent; else what made the Set fail
 */
export async function setFeature(
  call: AdminCall,
  qube: string,
  feature: string,
  value: string,
): Promise<string | undefined> {
  assertFeature(feature, value);
  const before = await getFeature(call, qube, feature);
  await replaceFeature(call, { qube, feature, value, before });
  return before;
}

/** A feature with the value that it is to have, and the one that it was seen to have; undefined for none. */
export interface Replacement {
  readonly qube: string;
  readonly feature: string;
  readonly value: string;
  readonly before: string | undefined;
}

/** As setFeature, for who has just read the value from before. */
export async function replaceFeature(call: AdminCall, replacement: Replacement): Promise<void> {
  const { qube, feature, value } = replacement;
  assertFeature(feature, value);
  try {
    await send(call, qube, feature, value);
  } catch (error) {
    if (!(error instanceof QosError) || error.kind === 'no-such-domain') throw error;
    throw await undoSet(call, replacement, error);
  }
}

/** Removes a feature; false when it was not set. */
export async function removeFeature(call: AdminCall, qube: string, feature: string): Promise<boolean> {
  const reply = await unlessRaised('QubesFeatureNotFoundError', () =>
    call({ method: 'admin.vm.feature.Remove', argument: feature, destination: qube }),
  );
  return reply !== undefined;
}

/** Returns the error to show: the first one, with what the qube has now when that is not what it had. */
async function undoSet(call: AdminCall, failed: Replacement, error: QosError): Promise<QosError> {
  const { qube, feature, value, before } = failed;
  try {
    if ((await getFeature(call, qube, feature)) !== value || value === before) return error;
    if (before !== undefined && (await succeeds(send(call, qube, feature, before)))) return error;
    // A Remove may fail and yet have removed it, so only a look afterwards tells.
    await succeeds(removeFeature(call, qube, feature));
    if ((await getFeature(call, qube, feature)) === undefined) {
      return before === undefined ? error : adding(error, `${feature} is now unset`);
    }
  } catch {
    // qubesd is gone: the advice below is all that is left.
  }
  return adding(error, `the value may be stored all the same; run: qvm-features -D ${qube} ${feature}`);
}

function adding(error: QosError, remark: string): QosError {
  return new QosError(error.kind, `${messageOf(error).replace(/\.$/, '')}; ${remark}.`, { cause: error });
}

async function send(call: AdminCall, qube: string, feature: string, value: string): Promise<void> {
  await call({ method: 'admin.vm.feature.Set', argument: feature, destination: qube, payload: value });
}

async function succeeds(action: Promise<unknown>): Promise<boolean> {
  try {
    await action;
    return true;
  } catch {
    return false;
  }
}
