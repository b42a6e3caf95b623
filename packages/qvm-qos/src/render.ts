// Owns how results look: text for people, JSON for programs, and the exit code. Pure; writes nothing.
import { classNameList } from '@qubes-qos/core/classes';
import { quote } from '@qubes-qos/core/quote';
import type { FeatureChange } from './publish/diff.js';
import {
  RESULT_VERSION,
  type ChangeResult,
  type EnforceResult,
  type GetResult,
  type LimitResult,
  type ListResult,
  type Result,
  type SyncResult,
  type Telling,
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
    case 'sync':
      return renderSync(result);
    case 'enforce':
      return renderEnforce(result);
    case 'limit':
      return renderLimit(result);
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

function renderSync({ dryRun, published, ...said }: SyncResult): Rendered {
  const { errors } = said;
  const exitCode = errors.length === 0 ? 0 : 1;
  if (!dryRun) return { ...NOTHING, ...rest(said), details: published.map(describeWritten), exitCode };
  return { ...NOTHING, ...rest(said), stdout: published.map((one) => `${describeChange(one)}\n`).join('') };
}

function renderEnforce({ action, netvm, enforce, value, published, ...said }: EnforceResult): Rendered {
  const word = enforce ? 'on' : 'off';
  if (action === 'show') {
    const notes =
      value === null ? [`${netvm}: nobody has said so; it is turned on when dom0 tells it of a client.`] : [];
    return { ...NOTHING, stdout: `${word}\n`, notes };
  }
  const details = [
    ...published.map(describeWritten),
    `${netvm}: enforce ${action === 'remove' ? 'not set' : word}`,
  ];
  return { ...NOTHING, ...rest(said), details, exitCode: said.errors.length === 0 ? 0 : 1 };
}

function renderLimit({ action, qube, value, published, ...said }: LimitResult): Rendered {
  if (action === 'show') {
    const { warnings } = said;
    return value === null
      ? { ...NOTHING, warnings, exitCode: 1 }
      : { ...NOTHING, warnings, stdout: `${value}\n` };
  }
  const details = [`${qube}: ${value ?? 'no limit'}`, ...published.map(describeWritten)];
  return { ...NOTHING, ...rest(said), details, exitCode: said.errors.length === 0 ? 0 : 1 };
}

function rest({ errors, warnings, notes }: Omit<Telling, 'published'>): Partial<Rendered> {
  return { errors, warnings, notes };
}

/** A value is from whoever can set features: shown on one line and bounded. */
function describeChange({ qube, feature, from, to }: FeatureChange): string {
  return `${qube} ${feature}: ${shown(from)} -> ${shown(to)}`;
}

function describeWritten({ qube, feature, to }: FeatureChange): string {
  return `${qube}: ${to === null ? `${feature} removed` : `${feature}=${shown(to)}`}`;
}

function shown(value: string | null): string {
  return value === null ? '-' : quote(value);
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
