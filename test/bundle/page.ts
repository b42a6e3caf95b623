// Owns the comparison of what a session printed with its page of documentation.
import { expect } from 'vitest';
import type { Dom0, Line } from './dom0.js';

/** Types the lines one after the other and compares all that was printed since the last page with `snapshots/qvm-qos/FILE.md`. */
export async function expectPage(
  dom0: Dom0,
  title: string,
  file: string,
  lines: readonly Line[],
): Promise<void> {
  for (const line of lines) await dom0.type(line);
  await expect(dom0.page(title)).toMatchFileSnapshot(`snapshots/qvm-qos/${file}.md`);
}
