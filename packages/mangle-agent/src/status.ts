// Owns what `status` shows: the policy, what is in force, and whether they agree. Gathering, then pure rendering.
import type { ClassName } from '@qubes-qos/core/classes';
import { messageOf } from '@qubes-qos/core/errors';
import { diffTable, explainTable } from '@qubes-qos/core/nft/diff';
import { parseClassPolicy, type ClassPolicy } from '@qubes-qos/core/policy';
import { observeTable } from '@qubes-qos/host/nft';
import { withQubesDb } from '@qubes-qos/host/qubesdb/client';
import { describeMarks, POLICY_PATH, readSaid, validPolicyOf } from './enforce.js';
import { LAST_VALID_FILE, readLastValid, type ValidPolicy } from './last-valid.js';
import { classInForce, MANGLE_TABLE, planMangle } from './plan.js';

/** What is known. A part that could not be read is null, and `problems` says why. */
export interface MangleStatus {
  /** The version of this shape, raised when a field changes its meaning or goes. */
  readonly version: 1;
  /** The key of QubesDB that the policy is from; absent for the qube's own class. */
  readonly path?: string;
  readonly policy: ClassPolicy | null;
  readonly lastValid: ValidPolicy | null;
  readonly inForce: ClassName | 'none' | 'altered' | null;
  /** Whether what is in force is what the policy asks for; null when that cannot be told. */
  readonly isInSync: boolean | null;
  readonly problems: readonly string[];
}

/** Reads QubesDB and the kernel; a failure of one does not hide the other. */
export async function gatherStatus(): Promise<MangleStatus> {
  const problems: string[] = [];
  const note = (error: unknown): null => {
    problems.push(messageOf(error));
    return null;
  };
  const said = await withQubesDb(readSaid).catch(note);
  const path = said?.path ?? POLICY_PATH;
  const policy = said && parseClassPolicy(said.value);
  const kernel = await observeTable(MANGLE_TABLE).then((table) => ({ table }), note);
  const lastValid = (await readLastValid(LAST_VALID_FILE)) ?? null;
  if (policy?.state === 'invalid') problems.push(`${path} is invalid, ${policy.reason}.`);
  const wanted = policy && (validPolicyOf(policy) ?? lastValid);
  let isInSync: boolean | null = null;
  if (wanted && kernel) {
    const desired = planMangle(wanted);
    isInSync = diffTable(MANGLE_TABLE, desired, kernel.table).length === 0;
    if (!isInSync)
      problems.push(`${explainTable(MANGLE_TABLE, desired, kernel.table)}; apply puts it right.`);
  }
  return {
    version: 1,
    ...(path === POLICY_PATH ? {} : { path }),
    policy,
    lastValid,
    inForce: kernel && classInForce(kernel.table),
    isInSync,
    problems,
  };
}

/** The status as lines for a person. */
export function renderStatus({
  path = POLICY_PATH,
  policy,
  inForce,
  isInSync,
  problems,
}: MangleStatus): string {
  const inSync = isInSync === null ? 'unknown' : isInSync ? 'yes' : 'no';
  const rows = [
    ['policy', policy ? describePolicy(path, policy) : 'unknown'],
    ['in force', inForce === null ? 'unknown' : describeMarks(inForce)],
    ['as it should be', inSync],
    ...problems.map((problem) => ['problem', problem]),
  ];
  return rows.map(([name = '', value = '']) => `${name.padEnd(16)} ${value}\n`).join('');
}

function describePolicy(path: string, policy: ClassPolicy): string {
  if (policy.state === 'class')
    return path === POLICY_PATH ? policy.className : `${policy.className} (by a policy of dom0)`;
  return policy.state === 'invalid' ? 'invalid' : `none (${path} is ${policy.state})`;
}
