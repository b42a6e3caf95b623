// Owns the way of one policy into the kernel: value -> policy -> desired -> kernel, and what the journal says of it.
import { classOf, type ClassName } from '@qubes-qos/core/classes';
import { parseClassPolicy, type ClassPolicy } from '@qubes-qos/core/policy';
import { VM_CONFIG, VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import { log } from '@qubes-qos/host/journal';
import { convergeTable, observeTable } from '@qubes-qos/host/nft';
import { LAST_VALID_FILE, readLastValid, rememberLastValid, type ValidPolicy } from './last-valid.js';
import { classInForce, MANGLE_TABLE, planMangle } from './plan.js';

/** The QubesDB key of this qube's own class. */
export const POLICY_PATH = `${VM_CONFIG_PATH_PREFIX}${VM_CONFIG.dscp}`;

/** The QubesDB key of the class that a policy of dom0 gives to this qube: it counts where there is no own one. */
const POLICY_CLASS_PATH = `${VM_CONFIG_PATH_PREFIX}${VM_CONFIG.policyClass}`;

/** A value of QubesDB, and where it is. */
export interface Said {
  readonly path: string;
  /** undefined: no such key. */
  readonly value: Uint8Array | undefined;
}

/** What dom0 says about the class of this qube. An own class that is empty or invalid ranks above a policy, too. */
export async function readSaid(db: {
  read: (path: string) => Promise<Uint8Array | undefined>;
}): Promise<Said> {
  const own = await db.read(POLICY_PATH);
  const given = own === undefined ? await db.read(POLICY_CLASS_PATH) : undefined;
  return given === undefined ? { path: POLICY_PATH, value: own } : { path: POLICY_CLASS_PATH, value: given };
}

/** What became of a policy. */
export interface Enforced {
  readonly path: string;
  readonly policy: ClassPolicy;
  /** The class that packets have now; `altered` is a table that is not as we write it. */
  readonly inForce: ClassName | 'none' | 'altered';
  readonly isChanged: boolean;
  /** Whether a valid policy decided, be it an earlier one; without any the kernel was left as it was. */
  readonly isDecided: boolean;
}

/**
 * Puts what dom0 says in force, verifies it, and logs what it did. An invalid
 * value keeps the last valid policy of this boot; with none, the kernel stays as it is.
 * @throws QosError when nft fails; what was in force before stays.
 */
export async function enforce({ path, value }: Said, file = LAST_VALID_FILE): Promise<Enforced> {
  const policy = parseClassPolicy(value);
  const valid = validPolicyOf(policy) ?? (await readLastValid(file));
  const enforced =
    valid === undefined
      ? { path, policy, inForce: await observeClass(), isChanged: false, isDecided: false }
      : { path, policy, inForce: valid, isChanged: await converge(valid), isDecided: true };
  if (valid !== undefined) await rememberLastValid(file, valid);
  log(policy.state === 'invalid' ? 'warning' : 'info', describeEnforced(enforced));
  return enforced;
}

/** One sentence: what the policy says and what packets get; each of the four kinds of policy reads differently. */
export function describeEnforced({ path, policy, inForce, isChanged, isDecided }: Enforced): string {
  const marks = `${describeMarks(inForce)}${isChanged ? '' : ' (as before)'}`;
  switch (policy.state) {
    case 'absent':
      return `${path} is absent: ${marks}.`;
    case 'empty':
      return `${path} is empty: ${marks}.`;
    case 'class':
      return `${path} is ${policy.className}: ${marks}.`;
    case 'invalid': {
      const kept = isDecided
        ? 'the last valid policy of this boot stays'
        : 'there was no valid one since boot';
      return `${path} is invalid, ${policy.reason}; ${kept}: ${marks}. Set a class with qvm-features in dom0.`;
    }
  }
}

/** What a class means for packets, in words. */
export function describeMarks(inForce: Enforced['inForce']): string {
  if (inForce === 'none') return 'no marks';
  if (inForce === 'altered') return 'our nft table is there, altered by something else';
  return `every packet of this qube leaves with DSCP ${classOf(inForce).dscp}`;
}

/** The policy as it can be remembered; undefined for an invalid one. */
export function validPolicyOf(policy: ClassPolicy): ValidPolicy | undefined {
  if (policy.state === 'invalid') return undefined;
  return policy.state === 'class' ? policy.className : 'none';
}

async function observeClass(): Promise<Enforced['inForce']> {
  return classInForce(await observeTable(MANGLE_TABLE));
}

function converge(policy: ValidPolicy): Promise<boolean> {
  return convergeTable(MANGLE_TABLE, planMangle(policy));
}
