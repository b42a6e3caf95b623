// Owns how policies look. Pure.
import type { Rendered } from './rendered.js';
import { renderTelling } from './render-changes.js';
import { renderTable } from './render-table.js';
import type { PolicyResult, ShownPolicy } from './results.js';

/** `list` is a table, `show` a few lines; what only changes something prints nothing on stdout. */
export function renderPolicy(result: PolicyResult): Rendered {
  const { action, policies, policy } = result;
  const said = renderTelling(result);
  if (action === 'show') return { ...said, stdout: policies.map(renderShown).join('') };
  if (action !== 'list') {
    const lines = policies.length === 0 ? [`${policy ?? ''}: deleted`] : policies.map(describe);
    return { ...said, details: [...lines, ...said.details] };
  }
  if (policies.length === 0)
    return { ...said, notes: ['there is no policy; to make one: qvm-qos policy create NAME --class CLASS'] };
  const rows = policies.map((one) => [one.name, rulesOf(one), attachedOf(one)]);
  return { ...said, stdout: renderTable([['NAME', 'RULES', 'ATTACHED TO'], ...rows]) };
}

function renderShown(policy: ShownPolicy): string {
  const inside = insideOf(policy);
  const lines = [
    `rules: ${rulesOf(policy)}`,
    ...(inside.length === 0 ? [] : [`inside each qube: ${inside.join('; ')}`]),
    `attached to: ${attachedOf(policy)}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function describe(policy: ShownPolicy): string {
  return `${policy.name}: ${rulesOf(policy)}; attached to ${attachedOf(policy)}`;
}

function rulesOf({ isUsable, rules }: ShownPolicy): string {
  if (!isUsable) return 'cannot be read';
  const words = rules.flatMap((rule) =>
    rule.kind === 'in-qube'
      ? `rules=${rule.rules.length}`
      : Object.entries(rule).flatMap(([key, value]) =>
          key === 'kind' || value === null ? [] : `${key}=${value}`,
        ),
  );
  return words.join(' ') || 'none';
}

function insideOf({ rules }: ShownPolicy): readonly string[] {
  return rules.flatMap((rule) => (rule.kind === 'in-qube' ? rule.rules : []));
}

function attachedOf({ attached: { qubes, netvms, tags } }: ShownPolicy): string {
  const parts = [
    ...qubes,
    ...netvms.map((netvm) => `clients of ${netvm}`),
    ...tags.map((tag) => `tag ${tag}`),
  ];
  return parts.join(', ') || 'nothing';
}
