// Checks the lab itself against the figures that the design was made from: an idle line, a full one without us, and the
// tree typed by hand. Milliseconds above the provider's 10; time is virtual, so a run repeats exactly.
import assert from 'node:assert/strict';
import { check } from '../check.js';
import { markByHand, shapeByHand } from '../hand-written.js';
import { measure, type Row } from '../measure.js';
import { startLab } from '../topology.js';

const SECONDS = 3;
/** One full frame at 9.5 Mbit and the idle path, milliseconds; a frame of IPv6 is 20 bytes longer. */
const FLOOR = { ip: 1.5, ip6: 1.52 } as const;
/** 160 bytes of a call in UDP, IP and Ethernet. */
const FRAME_BYTES = { ip: 202, ip6: 222 } as const;

check('the lab starts', async () => {
  await startLab();
  await markByHand({ work: 'ef', untrusted: 'cs1' });
});

for (const family of ['ip', 'ip6'] as const) {
  check(`${family}: an idle line adds no more than the frame's own time`, async () => {
    const row = await measure({ family, load: false, phaseMs: 0, seconds: SECONDS });
    assert.ok(row.max < 0.3 && row.loss === 0, show(row));
    return row;
  });

  check(`${family}: marks alone change nothing, the modem's queue makes a call useless`, async () => {
    const row = await measure({ family, load: true, phaseMs: 0, seconds: SECONDS });
    assert.ok(row.p50 > 400 && row.loss > 0.1, show(row));
    return row;
  });
}

for (const [family, phaseMs] of [
  ['ip', 0],
  ['ip6', 7.3],
] as const) {
  check(`${family}: the tree typed by hand is at the physical floor, phase ${phaseMs} ms`, async () => {
    await shapeByHand(9_500_000);
    const row = await measure({ family, load: true, phaseMs, seconds: SECONDS });
    assert.ok(row.p99 <= FLOOR[family] && row.loss === 0, show(row));
    assertShares(row);
    assert.equal(
      row.bands[0],
      50 * SECONDS * FRAME_BYTES[family],
      'every packet of the call is in the band of EF',
    );
    assert.equal(row.bands[1]! + row.bands[3]!, 0, 'nothing is in the bands that nobody uses');
    assert.ok(row.received > 3000 && row.forwardHook < row.received / 100, 'flows are offloaded');
    return row;
  });
}

/** cs0 and cs1 share what EF leaves as 3 to 1. */
function assertShares(row: Row): void {
  const ratio = row.personal / row.untrusted;
  assert.ok(ratio > 2.8 && ratio < 3.2, `personal : untrusted is ${ratio}, expected 3`);
  assert.ok(row.personal + row.untrusted > 8.8, `${row.personal + row.untrusted} Mbit of 9.5 are used`);
}

function show(row: Row): string {
  return JSON.stringify(row);
}
