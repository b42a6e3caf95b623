// Makes one vitest test of each guest check: one guest boots for each file of checks, a check that it did not report fails.
import { beforeAll, describe, expect, test } from 'vitest';
import { takeChecks, type CheckRecord } from './guest/check.js';
import { bootGuest } from './host/boot.js';
import { checkFiles, checkPath, guestFiles } from './host/bundle.js';

const TIMEOUT_S = 590;

/** Registers a suite for each file of checks of this mode. */
export async function testGuestChecks(mode: 'plain' | 'systemd'): Promise<void> {
  for (const file of await checkFiles(mode)) {
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
