// Owns `scripts/lab demo`: runs the demonstration in a guest and prints what it found.
import type { DemoRecord } from '../guest/demo.js';
import { bootGuest } from './boot.js';
import { guestFiles } from './bundle.js';
import { renderTable } from './demo-table.js';
import { renderTimeline } from './demo-timeline.js';

const TIMEOUT_S = 1800;

/** Prints the steps while they happen, then one table and one plot. */
export async function runDemoCommand(): Promise<number> {
  console.log(
    'booting Debian 13 in QEMU; time in it is counted in instructions, so the figures do not depend on this machine',
  );
  const { records } = await bootGuest({
    mode: 'plain',
    job: { run: 'demo' },
    files: await guestFiles([]),
    timeoutS: TIMEOUT_S,
    onRecord: (value) => {
      const record = value as DemoRecord;
      if (record.kind === 'step') console.log(record.text);
    },
  });
  console.log(renderDemo(records as DemoRecord[]));
  return 0;
}

function renderDemo(records: readonly DemoRecord[]): string {
  const rows = records.filter((record) => record.kind === 'row');
  const live = records.find((record) => record.kind === 'live');
  return ['', renderTable(rows), ...(live ? [renderTimeline(live)] : [])].join('\n');
}
