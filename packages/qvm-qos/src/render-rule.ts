// Owns how rules inside a qube look. Pure.
import type { Rendered } from './rendered.js';
import { renderTelling } from './render-changes.js';
import { renderTable } from './render-table.js';
import type { RuleResult } from './results.js';

/** `list` is a table with the numbers that `add` and `del` take; what changes something prints nothing on stdout. */
export function renderRule(result: RuleResult): Rendered {
  const { action, policyRules, qube, rules, value } = result;
  const said = renderTelling(result);
  if (action !== 'list') return { ...said, details: [`${qube}: ${value ?? 'no rules'}`, ...said.details] };
  if (rules.length > 0) {
    const rows = rules.map((rule, index) => [String(index + 1), rule]);
    return { ...said, stdout: renderTable([['NO', 'RULE'], ...rows]) };
  }
  const given = `${qube}: it has no rules of its own; its policy gives it: ${policyRules.join('; ')}`;
  const notes = [
    ...(value === '' ? [`${qube}: no rules, whatever a policy says.`] : []),
    ...(value === null && policyRules.length > 0 ? [given] : []),
  ];
  return { ...said, notes: [...said.notes, ...notes], exitCode: 1 };
}
