// Owns the difference between the table that should be and the one that is.
import type { NftOp, NftTable, TableId } from './model.js';
import { renderTable, renderTableId } from './render.js';

/** What turns the observed table into the desired one; undefined is "no such table". Nothing when they are equal. */
export function diffTable(
  id: TableId,
  desired: NftTable | undefined,
  observed: NftTable | undefined,
): NftOp[] {
  if (desired) return observed && isSameTable(desired, observed) ? [] : [{ op: 'replace', table: desired }];
  return observed ? [{ op: 'delete', id }] : [];
}

/** The first difference, for a message: `expected "ip dscp set 46", found "ip dscp set 0"`. */
export function explainTable(
  id: TableId,
  desired: NftTable | undefined,
  observed: NftTable | undefined,
): string {
  if (!desired) return `table ${renderTableId(id)}: expected none, found one`;
  if (!observed) return `table ${renderTableId(id)}: expected one, found none`;
  const expected = renderTable(desired).split('\n');
  const found = renderTable(observed).split('\n');
  const line = expected.findIndex((text, index) => text !== found[index]);
  return `table ${renderTableId(id)}: expected "${shown(expected[line])}", found "${shown(found[line])}"`;
}

function isSameTable(desired: NftTable, observed: NftTable): boolean {
  return renderTable(desired) === renderTable(observed);
}

function shown(line: string | undefined): string {
  return (line ?? '').trim();
}
