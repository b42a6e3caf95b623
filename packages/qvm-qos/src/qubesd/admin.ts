// Owns what qvm-qos asks of the Admin API, as typed functions over any way to send a request.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { assertVmConfig, VM_CONFIG_FEATURE_PREFIX } from '@qubes-qos/core/vm-config';
import { AdminException, type AdminRequest } from './codec.js';

/** Sends one request and returns the content of its reply. */
export type AdminCall = (request: AdminRequest) => Promise<string>;

/** One qube as qubesd lists it. */
export interface ListedQube {
  readonly name: string;
  /** `AppVM`, `AdminVM`, … */
  readonly klass: string;
  /** `Running`, `Halted`, `Paused`, … */
  readonly state: string;
}

/** All qubes, dom0 first. @throws QosError('protocol') for a line that is no qube */
export async function listQubes(call: AdminCall): Promise<ListedQube[]> {
  const content = await call({ method: 'admin.vm.List', destination: 'dom0' });
  return linesOf(content).map(parseQube);
}

/** The names of the features that are set on a qube. */
export async function listFeatures(call: AdminCall, qube: string): Promise<string[]> {
  return linesOf(await call({ method: 'admin.vm.feature.List', destination: qube }));
}

/** The tags of a qube. */
export async function listTags(call: AdminCall, qube: string): Promise<string[]> {
  return linesOf(await call({ method: 'admin.vm.tag.List', destination: qube }));
}

/** The value of `vm-config.NAME`, or undefined when it is not set. */
export async function getVmConfig(call: AdminCall, qube: string, name: string): Promise<string | undefined> {
  return orUndefined('QubesFeatureNotFoundError', () =>
    call({ method: 'admin.vm.feature.Get', argument: VM_CONFIG_FEATURE_PREFIX + name, destination: qube }),
  );
}

/**
 * Sets `vm-config.NAME`. qubesd stores a value before it looks at it, so after a failure the value from before is
 * put back, and what cannot be put back is removed: a refused value can keep a qube from starting.
 * @throws QosError('policy') before anything was sent; else what made the Set fail
 */
export async function setVmConfig(call: AdminCall, qube: string, name: string, value: string): Promise<void> {
  assertVmConfig(name, value);
  const before = await getVmConfig(call, qube, name);
  try {
    await setFeature(call, qube, name, value);
  } catch (error) {
    if (!(error instanceof QosError) || error.kind === 'no-such-domain') throw error;
    throw await undoSet(call, { qube, name, value, before }, error);
  }
}

/** Removes `vm-config.NAME`; false when it was not set. */
export async function removeVmConfig(call: AdminCall, qube: string, name: string): Promise<boolean> {
  const reply = await orUndefined('QubesFeatureNotFoundError', () =>
    call({ method: 'admin.vm.feature.Remove', argument: VM_CONFIG_FEATURE_PREFIX + name, destination: qube }),
  );
  return reply !== undefined;
}

/** The name of the qube's netvm; undefined for none, and for a qube that cannot have one. */
export async function getNetvm(call: AdminCall, qube: string): Promise<string | undefined> {
  const netvm = await getProperty(call, qube, 'netvm');
  return netvm === '' ? undefined : netvm;
}

/** True when other qubes can use it as their netvm. */
export async function providesNetwork(call: AdminCall, qube: string): Promise<boolean> {
  return (await getProperty(call, qube, 'provides_network')) === 'True';
}

interface FailedSet {
  readonly qube: string;
  readonly name: string;
  readonly value: string;
  readonly before: string | undefined;
}

/** Returns the error to show: the first one, with what the qube has now when that is not what it had. */
async function undoSet(call: AdminCall, failed: FailedSet, error: QosError): Promise<QosError> {
  const { qube, name, value, before } = failed;
  try {
    if ((await getVmConfig(call, qube, name)) !== value || value === before) return error;
    if (before !== undefined && (await succeeds(setFeature(call, qube, name, before)))) return error;
    // A Remove may fail and yet have removed it, so only a look afterwards tells.
    await succeeds(removeVmConfig(call, qube, name));
    if ((await getVmConfig(call, qube, name)) === undefined) {
      return before === undefined ? error : adding(error, `${VM_CONFIG_FEATURE_PREFIX}${name} is now unset`);
    }
  } catch {
    // qubesd is gone: the advice below is all that is left.
  }
  return adding(
    error,
    `the value may be stored all the same; run: qvm-features -D ${qube} ${VM_CONFIG_FEATURE_PREFIX}${name}`,
  );
}

function adding(error: QosError, remark: string): QosError {
  return new QosError(error.kind, `${messageOf(error).replace(/\.$/, '')}; ${remark}.`, { cause: error });
}

async function setFeature(call: AdminCall, qube: string, name: string, value: string): Promise<void> {
  const argument = VM_CONFIG_FEATURE_PREFIX + name;
  await call({ method: 'admin.vm.feature.Set', argument, destination: qube, payload: value });
}

async function succeeds(action: Promise<unknown>): Promise<boolean> {
  try {
    await action;
    return true;
  } catch {
    return false;
  }
}

/** `default=True type=vm sys-firewall`; undefined for a property that this class of qube lacks. */
async function getProperty(call: AdminCall, qube: string, property: string): Promise<string | undefined> {
  const content = await orUndefined('QubesNoSuchPropertyError', () =>
    call({ method: 'admin.vm.property.Get', argument: property, destination: qube }),
  );
  if (content === undefined) return undefined;
  const match = /^default=\S+ type=\S+ (.*)$/s.exec(content);
  if (!match)
    throw new QosError('protocol', `qubesd sent no property ${property} for ${qube} that can be read.`);
  return match[1] ?? '';
}

async function orUndefined(type: string, action: () => Promise<string>): Promise<string | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof AdminException && error.type === type) return undefined;
    throw error;
  }
}

/** `work class=AppVM state=Running uuid=…`; keys that a later qubesd adds are skipped. */
function parseQube(line: string): ListedQube {
  const [name = '', ...pairs] = line.split(' ');
  const values = new Map(pairs.map((pair) => [pair.split('=')[0], pair.slice(pair.indexOf('=') + 1)]));
  const klass = values.get('class');
  const state = values.get('state');
  if (name === '' || klass === undefined || state === undefined) {
    throw new QosError('protocol', `qubesd listed a qube without a name, class or state.`);
  }
  return { name, klass, state };
}

function linesOf(content: string): string[] {
  return content.split('\n').filter((line) => line !== '');
}
