// Owns how results look: text for people, JSON for programs, and the exit code. Pure; writes nothing.
import { classNameList } from '@qubes-qos/core/classes';
import { quote } from '@qubes-qos/core/quote';
import {
  RESULT_VERSION,
  type ChangeResult,
  type GetResult,
  type ListResult,
  type Result,
} from './results.js';

/** What the program prints and returns. */
export interface Rendered {
  readonly stdout: string;
  /** What went wrong; printed always. */
  readonly errors: readonly string[];
  /** Printed unless -q. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  /** Printed with -v. */
  readonly details: readonly string[];
  readonly exitCode: 0 | 1;
}

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
  const { command, qubes, warnings, notes } = result;
  const done = qubes.filter((change) => change.done).map(({ qube }) => qube);
  const failed = qubes.filter((change) => !change.done);
  const value = result.class ?? 'no class';
  const details = done.map((qube) => `${qube}: ${value}`);
  if (failed.length === 0) return { ...NOTHING, warnings, notes, details };
  const reasons = [...new Set(failed.map(({ error }) => error ?? ''))];
  const errors = reasons.map((reason) => {
    const names = failed.flatMap(({ qube, error }) => (error === reason ? qube : []));
    return `${names.join(', ')}: ${reason}`;
  });
  if (qubes.length > 1) {
    errors.push(
      `${command}: done for ${done.join(', ') || 'none'}; not for ${failed.map(({ qube }) => qube).join(', ')}.`,
    );
  }
  return { ...NOTHING, errors, warnings, notes, details, exitCode: 1 };
}

function renderGet(result: GetResult): Rendered {
  if (result.class !== null) return { ...NOTHING, stdout: `${result.class}\n` };
  if (result.value === null || result.value === '') return { ...NOTHING, exitCode: 1 };
  const found = `vm-config.dscp of ${result.qube} is ${quote(result.value)}: expected ${classNameList()}`;
  return { ...NOTHING, errors: [`${found}; to replace it: qvm-qos set ${result.qube} CLASS`], exitCode: 1 };
}

function renderList({ qubes }: ListResult): Rendered {
  if (qubes.length === 0)
    return { ...NOTHING, notes: ['no qube has a class; to give one: qvm-qos set VM CLASS'] };
  const rows = qubes.map(({ qube, state, class: className, value, uplink }) => [
    qube,
    state,
    className ?? (value === null ? '-' : `${quote(value)} (invalid)`),
    uplink === null ? '-' : quote(uplink).slice(1, -1),
  ]);
  return { ...NOTHING, stdout: renderTable([['NAME', 'STATE', 'CLASS', 'LINE'], ...rows]) };
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}
