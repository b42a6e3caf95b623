// The figures that test/lab/guests.test.ts compares between two runs: nanoseconds of a loaded line.
import { check } from './check.js';
import { markByHand, shapeByHand } from './hand-written.js';
import { measure } from './measure.js';
import { startLab } from './topology.js';

check('a short call on a loaded line', async () => {
  await startLab();
  await markByHand({ work: 'ef', untrusted: 'cs1' });
  await shapeByHand(9_500_000);
  return measure({ family: 'ip', load: true, phaseMs: 0, seconds: 2 });
});
