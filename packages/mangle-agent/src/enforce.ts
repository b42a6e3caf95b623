// Owns the way of one policy into the kernel: what dom0 says -> policy -> desired -> kernel, and what the journal says of it.
import { QosError } from '@qubes-qos/core/errors';
import { log } from '@qubes-qos/host/journal';
import { convergeTable, observeTable } from '@qubes-qos/host/nft';
import { describeEnforced, type Enforced } from './describe.js';
import { LAST_VALID_FILE, readLastValid, rememberLastValid } from './last-valid.js';
import { locateRules, type Located } from './locate.js';
import { inForceOf, MANGLE_TABLE, planMangle } from './plan.js';
import { decide, isValid, type Said, type ValidPolicy } from './said.js';

export interface EnforceOptions {
  /** Where the last valid policy of this boot is remembered. */
  readonly file?: string;
  /** Finds what the rules name, and may see to it that changes of that are noticed; hears whether there were rules before. */
  readonly locate?: (policy: ValidPolicy, last: ValidPolicy | undefined) => Promise<Located>;
}

/**
 * Puts what dom0 says in force, verifies it, and logs what it did. What is invalid keeps the last valid policy of
 * this boot; with none, the kernel stays as it is.
 * @throws QosError when nft fails; what was in force before stays.
 */
export async function enforce(said: Said, options: EnforceOptions = {}): Promise<Enforced> {
  const { file = LAST_VALID_FILE, locate = ({ rules }: ValidPolicy) => locateRules(rules) } = options;
  const last = await readLastValid(file);
  const valid = decide(said, last);
  const enforced =
    valid === undefined
      ? {
          ...said,
          inForce: inForceOf(await observeTable(MANGLE_TABLE)),
          leftOut: [],
          isChanged: false,
          isDecided: false,
        }
      : { ...said, ...(await converge(valid, () => locate(valid, last))), isDecided: true };
  if (valid !== undefined) await rememberLastValid(file, valid);
  log(isValid(said) ? 'info' : 'warning', describeEnforced(enforced));
  for (const sentence of warningsOf(enforced)) log('warning', sentence);
  return enforced;
}

/** Why rules do not count: what they name is not in this qube now, or they are of a newer version. */
export function warningsOf({ rules, leftOut }: Pick<Enforced, 'rules' | 'leftOut'>): readonly string[] {
  const ofNewer = rules.state === 'rules' ? rules.warnings : [];
  return [...ofNewer.map((warning) => warning.replace(/^r/, 'R')), ...leftOut];
}

type Converged = Pick<Enforced, 'inForce' | 'leftOut' | 'isChanged'>;

/** A cgroup may go between look and load, and nft takes all rules or none: so once more, and then without those. */
async function converge(policy: ValidPolicy, locate: () => Promise<Located>): Promise<Converged> {
  const { className } = policy;
  const put = async ({ rules, leftOut }: Located): Promise<Converged> => {
    const isChanged = await convergeTable(MANGLE_TABLE, planMangle(className, rules));
    return { inForce: { className, hasRules: rules.length > 0 }, leftOut, isChanged };
  };
  const located = await locate();
  try {
    return await put(located);
  } catch (error) {
    const plain = located.rules.filter(({ cgroups }) => cgroups.every((paths) => paths.length === 0));
    if (!(error instanceof QosError) || error.kind !== 'command' || plain.length === located.rules.length)
      throw error;
    const again = await locate();
    const without = `Rules that name a unit or cgroup do not count now: ${error.message}`;
    return put(again).catch(() => put({ ...again, rules: plain, leftOut: [...again.leftOut, without] }));
  }
}
