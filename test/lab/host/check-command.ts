// Owns `scripts/lab check`: the guest checks with live output, for the hand.
import type { CheckRecord } from '../guest/check.js';
import { bootGuest } from './boot.js';
import { checkFiles, checkPath, guestFiles } from './bundle.js';
import { LabError } from './host-error.js';

const MODES = ['plain', 'systemd'] as const;
const TIMEOUT_S = 600;

/** Runs the checks of the named files, or of all; the exit code is 1 when one failed. */
export async function runCheckCommand(wanted: readonly string[]): Promise<number> {
  let failed = 0;
  let ran = 0;
  for (const mode of MODES) {
    for (const name of await checkFiles(mode)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      ran += 1;
      failed += await runFile(mode, name);
    }
  }
  if (ran === 0) throw new LabError(`no file of checks is called ${wanted.join(' or ')}.`);
  return failed === 0 ? 0 : 1;
}

async function runFile(mode: 'plain' | 'systemd', name: string): Promise<number> {
  console.log(`${name} (${mode})`);
  let failed = 0;
  await bootGuest({
    mode,
    job: { run: 'checks' },
    files: await guestFiles([checkPath(mode, name)]),
    timeoutS: TIMEOUT_S,
    onRecord: (value) => {
      const record = value as Partial<CheckRecord>;
      if (record.check === undefined) return;
      if (record.ok !== true) failed += 1;
      console.log(`  ${record.ok ? 'ok  ' : 'FAIL'} ${record.check} (${record.seconds ?? '?'} s)`);
      if (record.error !== undefined) console.log(record.error);
      if (record.figures !== undefined) console.log(`       ${JSON.stringify(record.figures)}`);
    },
  });
  return failed;
}
