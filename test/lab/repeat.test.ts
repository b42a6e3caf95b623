// What all thresholds rest on: figures do not depend on the host. Two runs are the same bit for bit nearly always; on a
// busy host QEMU now and then lets a packet of TCP take another turn, which moves figures by some parts in a thousand.
import { expect, test } from 'vitest';
import type { CheckRecord } from './guest/check.js';
import type { Row } from './guest/measure.js';
import { bootGuest } from './host/boot.js';
import { guestFiles } from './host/bundle.js';
import { inRepository } from './host/paths.js';

const TIMEOUT_S = 290;
const TOLERANCE = 0.005;

test('two runs give the same figures', async () => {
  const files = await guestFiles([inRepository('test/lab/guest/repeat-check.ts')]);
  const run = async () => {
    const { records } = await bootGuest({
      mode: 'plain',
      job: { run: 'checks' },
      files,
      timeoutS: TIMEOUT_S,
    });
    return (records as CheckRecord[])[0]!.figures as Row;
  };
  const [first, second] = [await run(), await run()];
  expect([second.loss, second.bands[0]]).toEqual([first.loss, first.bands[0]]);
  for (const figure of ['p50', 'p99', 'personal', 'untrusted'] as const) {
    expect(Math.abs(second[figure] / first[figure] - 1), figure).toBeLessThan(TOLERANCE);
  }
});
