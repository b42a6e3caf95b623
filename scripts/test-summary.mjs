// Adds up what scripts/test ran: a step counts as one, a step of tests as its tests. Exits with 1 unless all passed.
// What failed is named once more at the end, where a log that was cut still shows it.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = process.argv[2];
/** Characters of a failed test's message. */
const MAX_MESSAGE = 600;

const totals = { passed: 0, failed: 0, skipped: 0 };

for (const file of readdirSync(directory).filter((name) => name.endsWith('.step'))) {
  const step = file.slice(0, -'.step'.length);
  const hasPassed = readFileSync(join(directory, file), 'utf8').trim() === 'passed';
  const results = join(directory, `${step}.json`);
  const before = totals.failed;
  if (existsSync(results)) addTests(JSON.parse(readFileSync(results, 'utf8')));
  else if (hasPassed) totals.passed += 1;
  // A step can fail without a failed test: a file that does not load, a process that dies.
  if (!hasPassed && totals.failed === before) totals.failed += 1;
  if (!hasPassed) console.log(`FAILED: ${step}`);
}

console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;

function addTests({ testResults }) {
  for (const { assertionResults } of testResults) {
    for (const { status, fullName, failureMessages } of assertionResults) {
      if (status === 'passed') totals.passed += 1;
      else if (status === 'failed') {
        totals.failed += 1;
        console.log(`FAILED: ${fullName}: ${(failureMessages ?? []).join('; ').slice(0, MAX_MESSAGE)}`);
      } else {
        totals.skipped += 1;
        console.log(`SKIPPED: ${fullName}`);
      }
    }
  }
}
