// Owns what `status` shows: the policy, what is in force, and whether they agree. Gathering, then pure rendering.
import type { ClassName } from '@qubes-qos/core/classes';
import { messageOf } from '@qubes-qos/core/errors';
import { diffTable, explainTable } from '@qubes-qos/core/nft/diff';
import type { ClassPolicy } from '@qubes-qos/core/policy';
import { formatRule, type QosRule } from '@qubes-qos/core/qos-rules';
import { observeTable } from '@qubes-qos/host/nft';
import { withQubesDb } from '@qubes-qos/host/qubesdb/client';
import { describeMarks } from './describe.js';
import { warningsOf } from './enforce.js';
import { LAST_VALID_FILE, readLastValid } from './last-valid.js';
import { locateRules } from './locate.js';
import { inForceOf, MANGLE_TABLE, planMangle, type InForce } from './plan.js';
import { decide, POLICY_PATH, readSaid, RULES_PATH, type Said, type ValidPolicy } from './said.js';

/** What is known. A part that could not be read is null, and `problems` says why. */
export interface MangleStatus {
  /** The version of this shape, raised when a field changes its meaning or goes. */
  readonly version: 1;
  /** The key of QubesDB that the policy is from; absent for the qube's own class. */
  readonly path?: string;
  readonly policy: ClassPolicy | null;
  readonly lastValid: ValidPolicy['className'] | null;
  readonly inForce: ClassName | 'none' | 'altered' | null;
  /** Absent where there are no rules, neither set nor in force. */
  readonly rules?: RulesStatus;
  /** Whether what is in force is what the policy asks for; null when that cannot be told. */
  readonly isInSync: boolean | null;
  readonly problems: readonly string[];
}

/** The rules of this qube. */
export interface RulesStatus {
  /** The key of QubesDB that they are from; absent for the qube's own. */
  readonly path?: string;
  readonly state: Said['rules']['state'];
  /** Those that should count, in order; with state `invalid` the last valid ones of this boot. */
  readonly list: readonly string[];
  readonly lastValid: readonly string[];
  /** Whether the kernel has any; null when that cannot be told. */
  readonly inForce: boolean | null;
}

/** Reads QubesDB and the kernel; a failure of one does not hide the other. */
export async function gatherStatus(): Promise<MangleStatus> {
  const problems: string[] = [];
  const note = (error: unknown): null => {
    problems.push(messageOf(error));
    return null;
  };
  const said = await withQubesDb(readSaid).catch(note);
  const kernel = await observeTable(MANGLE_TABLE).then((table) => ({ table }), note);
  const last = await readLastValid(LAST_VALID_FILE);
  for (const [path, policy] of said ? partsOf(said) : [])
    if (policy.state === 'invalid') problems.push(`${path} is invalid, ${policy.reason}.`);
  const wanted = said ? decide(said, last) : undefined;
  const located = await locateRules(wanted?.rules ?? []);
  if (said) problems.push(...warningsOf({ rules: said.rules, leftOut: located.leftOut }));
  let isInSync: boolean | null = null;
  if (wanted && kernel) {
    const desired = planMangle(wanted.className, located.rules);
    isInSync = diffTable(MANGLE_TABLE, desired, kernel.table).length === 0;
    if (!isInSync)
      problems.push(`${explainTable(MANGLE_TABLE, desired, kernel.table)}; apply puts it right.`);
  }
  const inForce = kernel && inForceOf(kernel.table);
  const rules = rulesStatus(said, wanted, last, inForce);
  return {
    version: 1,
    ...(said && said.path !== POLICY_PATH && { path: said.path }),
    policy: said?.policy ?? null,
    lastValid: last?.className ?? null,
    inForce: inForce === null || inForce === 'altered' ? inForce : inForce.className,
    ...(rules && { rules }),
    isInSync,
    problems,
  };
}

function partsOf({ path, policy, rulesPath, rules }: Said) {
  return [
    [path, policy],
    [rulesPath, rules],
  ] as const;
}

function rulesStatus(
  said: Said | null,
  wanted: ValidPolicy | undefined,
  last: ValidPolicy | undefined,
  inForce: InForce | 'altered' | null,
): RulesStatus | undefined {
  const hasRules = inForce === null || inForce === 'altered' ? null : inForce.hasRules;
  if (said === null || (said.rules.state === 'absent' && hasRules !== true)) return undefined;
  const texts = (rules: readonly QosRule[] = []): string[] => rules.map(formatRule);
  return {
    ...(said.rulesPath !== RULES_PATH && { path: said.rulesPath }),
    state: said.rules.state,
    list: texts(wanted?.rules),
    lastValid: texts(last?.rules),
    inForce: hasRules,
  };
}

/** The status as lines for a person. */
export function renderStatus(status: MangleStatus): string {
  const { path = POLICY_PATH, policy, inForce, rules, isInSync, problems } = status;
  const inSync = isInSync === null ? 'unknown' : isInSync ? 'yes' : 'no';
  const marks =
    inForce === null || inForce === 'altered'
      ? inForce
      : { className: inForce, hasRules: rules?.inForce === true };
  const rows = [
    ['policy', policy ? describePolicy(path, policy) : 'unknown'],
    ...(rules ? describeRules(rules) : []),
    ['in force', marks === null ? 'unknown' : describeMarks(marks)],
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

function describeRules({ path, state, list }: RulesStatus): string[][] {
  const rows = list.map((rule) => ['rule', path === undefined ? rule : `${rule} (by a policy of dom0)`]);
  if (state === 'rules') return rows;
  return [['rules', state === 'invalid' ? 'invalid' : `none (${path ?? RULES_PATH} is ${state})`], ...rows];
}
