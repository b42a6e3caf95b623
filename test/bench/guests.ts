// Owns the guests of the bench: what is put into them, and their boot.
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { bootGuest } from '../lab/host/boot.js';
import { guestFiles } from '../lab/host/bundle.js';
import type { ArchiveFile } from '../lab/host/cpio.js';
import { LabError } from '../lab/host/host-error.js';
import { inRepository } from '../lab/host/paths.js';
import type { BenchRow } from './figures.js';
import type { BenchJob } from './guest/main.js';

/** Wall clock: the slowest part on a busy machine. */
const TIMEOUT_S = 3600;

/** Parts that need the agent's unit, and so systemd. */
const WITH_SYSTEMD: readonly string[] = ['reconcile', 'resident'];

/** Boots a guest that measures one part. When it does not end well, the rows that it has recorded are followed by one that says so. */
export async function measurePart(part: string, onRow: (row: BenchRow) => void): Promise<BenchRow[]> {
  const job: BenchJob = { part };
  const rows: BenchRow[] = [];
  const hear = (row: BenchRow): void => {
    rows.push(row);
    onRow(row);
  };
  try {
    await bootGuest({
      mode: WITH_SYSTEMD.includes(part) ? 'systemd' : 'plain',
      job,
      files: await benchFiles(),
      timeoutS: TIMEOUT_S,
      onRecord: (record) => {
        // The last one only says that the guest has ended.
        if ((record as Partial<BenchRow>).kind !== undefined) hear(record as BenchRow);
      },
    });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`${part}: ${error.message}\n`);
    const [why = ''] = error.message.split('; ');
    hear({ kind: 'failed', what: `${part}, from there on`, why });
  }
  return rows;
}

/** The suite as the lab has it, with the bench's program in the place of the lab's. */
async function benchFiles(): Promise<Record<string, ArchiveFile>> {
  const result = await build({
    entryPoints: [inRepository('test/bench/guest/main.ts')],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    write: false,
    define: { QUBES_QOS_VERSION: '"bench"' },
    logLevel: 'warning',
  });
  return {
    ...(await guestFiles([])),
    '/lab/guest.cjs': { content: result.outputFiles[0]!.contents },
    '/lab/bench.py': { content: await readFile(inRepository('test/bench/traffic.py')) },
  };
}
