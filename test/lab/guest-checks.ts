// Makes one vitest test of each guest check: one guest boots for each file of checks, a check that it did not report fails.
import { beforeAll, describe, expect, test } from 'vitest';
import { takeChecks, type CheckRecord } from './guest/check.js';
import { bootGuest } from './host/boot.js';
import { checkFiles, checkPath, guestFiles } from './host/bundle.js';

/** A guard against what hangs, not a measure: on a busy machine the longest guest takes ten minutes. */
const TIMEOUT_S = 1190;

/** The files that measure under load: they take minutes, so they are a test file of their own, beside the others. */
export const MEASUREMENTS: readonly string[] = ['admission', 'download', 'priority', 'reference', 'tunnels'];

/** Registers a suite for each file of checks of this mode that is wanted. */
export async function testGuestChecks(
  mode: 'plain' | 'systemd',
  isWanted: (file: string) => boolean = () => true,
): Promise<void> {
  for (const file of (await checkFiles(mode)).filter(isWanted)) {
    const path = checkPath(mode, file);
    await import(path);
    const names = takeChecks().map((check) => check.name);
    describe(file, () => testFile(mode, path, names));
  }
}

function testFile(mode: 'plain' | 'systemd', path: string, names: readonly string[]): void {
  let reported: ReadonlyMap<string, CheckRecord>;
  beforeAll(async () => {
    const { records } = await bootGuest({
      mode,
      job: { run: 'checks' },
      files: await guestFiles([path]),
      timeoutS: TIMEOUT_S,
    });
    reported = new Map((records as CheckRecord[]).map((record) => [record.check, record]));
  });
  test.each(names)('%s', (name) => {
    const record = reported.get(name);
    if (record === undefined) throw new Error('the guest did not report this check.');
    expect(record.ok, record.error).toBe(true);
  });
  test('the file has checks', () => expect(names).not.toEqual([]));
}
