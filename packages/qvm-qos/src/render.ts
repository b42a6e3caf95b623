// Owns how results look: text for people, JSON for programs, and the exit code. Pure; writes nothing.
import { classNameList } from '@qubes-qos/core/classes';
import { quote } from '@qubes-qos/core/quote';
import { describeChange, describeWritten, renderTelling } from './render-changes.js';
import { renderPolicy } from './render-policy.js';
import { renderRule } from './render-rule.js';
import { renderTable } from './render-table.js';
import type { Rendered } from './rendered.js';
import {
  RESULT_VERSION,
  type ChangeResult,
  type EnforceResult,
  type GetResult,
  type LimitResult,
  type ListedPolicy,
  type ListResult,
  type Result,
  type SyncResult,
} from './results.js';

const NOTHING: Rendered = { stdout: '', errors: [], warnings: [], notes: [], details: [], exitCode: 0 };

/** The text form: a command that only changes something prints nothing on stdout, as the qvm-* tools. */
export function renderText(result: Result): Rendered {
  switch (result.command) {
    case 'set':
    case 'unset':
      return renderChange(result);
    case 'get':
      return renderGet(result);
    case 'list':
      return renderList(result);
    case 'policy':
      return renderPolicy(result);
    case 'apply': {
      const said = renderTelling(result);
      return { ...said, details: [...result.applied.map(describeWritten), ...said.details] };
    }
    case 'diff': {
      const stdout = result.changes.map((one) => `${describeChange(one)}\n`).join('');
      return { ...NOTHING, stdout, exitCode: stdout === '' ? 0 : 1 };
    }
    case 'export':
      return { ...NOTHING, stdout: result.text, warnings: result.warnings };
    case 'sync':
      return renderSync(result);
    case 'enforce':
      return renderEnforce(result);
    case 'limit':
      return renderLimit(result);
    case 'rule':
      return renderRule(result);
    case 'uplink': {
      const { action, netvm, value, warnings, notes } = result;
      const said = { ...NOTHING, warnings, notes };
      if (action !== 'show') return { ...said, details: [`${netvm}: ${value ?? 'no line'}`] };
      return value === null ? { ...said, exitCode: 1 } : { ...said, stdout: `${value}\n` };
    }
  }
}

/** The JSON form: the result with its version, one object; errors are on stderr as well, the rest is only in it. */
export function renderJson(result: Result): Rendered {
  const { errors, exitCode } = renderText(result);
  const stdout = `${JSON.stringify({ version: RESULT_VERSION, ...result }, null, 2)}\n`;
  return { ...NOTHING, stdout, errors, exitCode };
}

function renderChange(result: ChangeResult): Rendered {
  const { command, qubes, warnings, notes, published } = result;
  const done = qubes.filter((change) => change.done).map(({ qube }) => qube);
  const failed = qubes.filter((change) => !change.done);
  const value = result.class ?? 'no class';
  const details = [...done.map((qube) => `${qube}: ${value}`), ...published.map(describeWritten)];
  if (failed.length === 0 && result.errors.length === 0) return { ...NOTHING, warnings, notes, details };
  const reasons = [...new Set(failed.map(({ error }) => error ?? ''))];
  const errors = reasons.map((reason) => {
    const names = failed.flatMap(({ qube, error }) => (error === reason ? qube : []));
    return `${names.join(', ')}: ${reason}`;
  });
  if (qubes.length > 1 && failed.length > 0) {
    errors.push(
      `${command}: done for ${done.join(', ') || 'none'}; not for ${failed.map(({ qube }) => qube).join(', ')}.`,
    );
  }
  return {
    ...{ ...NOTHING, warnings, notes, details, exitCode: 1 },
    errors: [...errors, ...result.errors],
  };
}

function renderSync(result: SyncResult): Rendered {
  const said = renderTelling(result);
  if (!result.dryRun) return said;
  return { ...said, details: [], stdout: result.published.map((one) => `${describeChange(one)}\n`).join('') };
}

function renderEnforce(result: EnforceResult): Rendered {
  const { action, netvm, enforce, value } = result;
  const word = enforce ? 'on' : 'off';
  if (action === 'show') {
    const notes =
      value === null ? [`${netvm}: nobody has said so; it is turned on when dom0 tells it of a client.`] : [];
    return { ...NOTHING, stdout: `${word}\n`, notes };
  }
  const said = renderTelling(result);
  return {
    ...said,
    details: [...said.details, `${netvm}: enforce ${action === 'remove' ? 'not set' : word}`],
  };
}

function renderLimit(result: LimitResult): Rendered {
  const { action, qube, value } = result;
  const said = renderTelling(result);
  if (action !== 'show') return { ...said, details: [`${qube}: ${value ?? 'no limit'}`, ...said.details] };
  return value === null ? { ...said, exitCode: 1 } : { ...said, stdout: `${value}\n` };
}

function renderGet(result: GetResult): Rendered {
  const { qube, rules } = result;
  const notes =
    rules === null || rules === '' ? [] : [`${qube}: it has rules too; to see them: qvm-qos rule ${qube}`];
  if (result.class !== null) return { ...NOTHING, stdout: `${result.class}\n`, notes };
  if (result.value === null || result.value === '') return { ...NOTHING, notes, exitCode: 1 };
  const found = `vm-config.dscp of ${result.qube} is ${quote(result.value)}: expected ${classNameList()}`;
  return { ...NOTHING, errors: [`${found}; to replace it: qvm-qos set ${result.qube} CLASS`], exitCode: 1 };
}

function renderList({ qubes }: ListResult): Rendered {
  if (qubes.length === 0)
    return { ...NOTHING, notes: ['no qube has a class; to give one: qvm-qos set VM CLASS'] };
  const rows = qubes.map(({ qube, state, class: className, value, ...rest }) => [
    qube,
    state,
    className ?? (value === null ? '-' : `${quote(value)} (invalid)`),
    rulesOf(rest),
    ...[rest.limit, rest.policy, rest.uplink].map((text) => (text === null ? '-' : quote(text).slice(1, -1))),
  ]);
  return {
    ...NOTHING,
    stdout: renderTable([['NAME', 'STATE', 'CLASS', 'RULES', 'LIMIT', 'POLICY', 'LINE'], ...rows]),
  };
}

function rulesOf({ rules, ruleCount }: Pick<ListedPolicy, 'rules' | 'ruleCount'>): string {
  if (rules === null) return '-';
  return rules === '' ? 'none' : String(ruleCount ?? 'invalid');
}
