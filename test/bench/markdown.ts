// Owns how a table is written in Markdown. Pure.

/** A table whose columns are as wide as their longest cell, so that it reads as plain text too; ends with a line break. */
export function markdownTable(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return `${[line(head), rule, ...body.map(line)].join('\n')}\n`;
}

/** Names to the left, figures to the right. */
function pad(text: string, width: number, column: number): string {
  const space = ' '.repeat(width - text.length);
  return column === 0 ? text + space : space + text;
}
