// Runs test/lab/guest/checks in plain guests and test/lab/guest/checks-systemd in guests where systemd is process 1: one guest
// boots for each file, as many at once as there are processors, and a check that its guest did not report fails.
import { availableParallelism } from 'node:os';
import { beforeAll, describe, expect, test } from 'vitest';
import { bounded } from '@qubes-qos/qvm-qos/in-parallel';
import { takeChecks, type CheckRecord } from './guest/check.js';
import type { Row } from './guest/measure.js';
import { bootGuest, type GuestOptions } from './host/boot.js';
import { checkFiles, checkPath, guestFiles } from './host/bundle.js';
import { inRepository } from './host/paths.js';

/** A guard against what hangs, not a measure: on a busy machine the longest guest takes ten minutes. */
const TIMEOUT_S = 1190;

/** Begun before the others, so that no processor is idle while the last of them runs. */
const LONGEST = ['plain/download', 'plain/chain', 'plain/tunnels', 'plain/tc-agent', 'systemd/mangle'];

/**
 * What all thresholds rest on: figures do not depend on the host. Two runs are the same bit for bit nearly always; on a
 * busy host QEMU now and then lets a packet of TCP take another turn, which moves figures by some parts in a thousand.
 */
const TOLERANCE = 0.005;

type Mode = GuestOptions['mode'];

/** What a guest is started for. */
interface Suite {
  readonly title: string;
  readonly mode: Mode;
  /** Of the file with the checks. */
  readonly path: string;
}

/** A file of checks whose names are known before it runs. */
interface ListedSuite extends Suite {
  /** Of its checks. */
  readonly names: readonly string[];
}

const suites = [...(await suitesOf('plain')), ...(await suitesOf('systemd'))];
const repeated = ['repeated/first', 'repeated/second'].map((title): Suite => ({
  title,
  mode: 'plain',
  path: inRepository('test/lab/guest/repeat-check.ts'),
}));

const boot = bounded(bootSuite, availableParallelism());
const reported = new Map<string, Promise<readonly CheckRecord[]>>();

beforeAll(() => {
  const isLongest = ({ title }: Suite): boolean => LONGEST.includes(title);
  const others = [...suites.filter((suite) => !isLongest(suite)), ...repeated];
  for (const suite of [...suites.filter(isLongest), ...others]) {
    const records = boot(suite);
    // Whoever asks for them hears of a failure.
    records.catch(() => undefined);
    reported.set(suite.title, records);
  }
});

describe.each(suites)('$title', ({ title, names }) => {
  let records: readonly CheckRecord[];
  beforeAll(async () => {
    records = await reported.get(title)!;
  });
  test.each(names)('%s', (name) => {
    const record = records.find(({ check }) => check === name);
    if (record === undefined) throw new Error('the guest did not report this check.');
    expect(record.ok, record.error).toBe(true);
  });
  test('the file has checks', () => expect(names).not.toEqual([]));
});

test('two runs give the same figures', async () => {
  const rows = await Promise.all(
    repeated.map(async ({ title }) => (await reported.get(title)!)[0]!.figures as Row),
  );
  const [first, second] = [rows[0]!, rows[1]!];
  expect([second.loss, second.bands[0]]).toEqual([first.loss, first.bands[0]]);
  for (const figure of ['p50', 'p99', 'personal', 'untrusted'] as const) {
    expect(Math.abs(second[figure] / first[figure] - 1), figure).toBeLessThan(TOLERANCE);
  }
});

async function suitesOf(mode: Mode): Promise<ListedSuite[]> {
  const found: ListedSuite[] = [];
  for (const file of await checkFiles(mode)) {
    const path = checkPath(mode, file);
    await import(path);
    found.push({ title: `${mode}/${file}`, mode, path, names: takeChecks().map(({ name }) => name) });
  }
  return found;
}

async function bootSuite({ title, mode, path }: Suite): Promise<readonly CheckRecord[]> {
  const begin = performance.now();
  const { records } = await bootGuest({
    mode,
    job: { run: 'checks' },
    files: await guestFiles([path]),
    timeoutS: TIMEOUT_S,
  });
  const seconds = Math.round((performance.now() - begin) / 1000);
  // Otherwise the longest step would say nothing for minutes.
  process.stderr.write(`${title}: ${records.length} checks in ${seconds} s\n`);
  return records as CheckRecord[];
}
