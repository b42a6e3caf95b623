// Owns one run of the guest: its files, the boot, and the records that come back.
import { constants } from 'node:fs';
import { appendFile, copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cpioArchive, type ArchiveFile } from './cpio.js';
import { LabError } from './host-error.js';
import { CACHE, inRepository } from './paths.js';
import { runGuest } from './qemu.js';
import { guestRoot } from './root.js';

export interface GuestOptions {
  /** `plain`: the guest program is the only one that runs. `systemd`: systemd is process 1 and runs it as a unit. */
  readonly mode: 'plain' | 'systemd';
  /** The console is this terminal and time is real; nothing is repeatable then. */
  readonly isInteractive?: boolean;
  /** Given to the guest program as /lab/job.json. */
  readonly job: object;
  /** Files to put into the guest, by absolute path there. */
  readonly files: Readonly<Record<string, ArchiveFile>>;
  /** Seconds of wall clock after which the guest is stopped and reported. */
  readonly timeoutS: number;
  /** Hears each record when it arrives. */
  readonly onRecord?: (record: unknown) => void;
  /** Hears what takes long; standard error by default. */
  readonly say?: (line: string) => void;
}

export interface GuestResult {
  /** What the guest program recorded, in order, without the final one that says that it ended. */
  readonly records: unknown[];
  readonly console: string;
}

/**
 * Boots the guest, lets it do its job and returns what it recorded.
 * @throws LabError with the console's tail: kernel panic, time-out, or a guest program that did not end with 0.
 */
export async function bootGuest(options: GuestOptions): Promise<GuestResult> {
  const root = await guestRoot(options.say ?? ((line) => void process.stderr.write(`${line}\n`)));
  await mkdir(CACHE, { recursive: true });
  const directory = await mkdtemp(join(CACHE, 'run-'));
  try {
    const initramfs = join(directory, 'initramfs');
    await copyFile(root.initramfs, initramfs, constants.COPYFILE_FICLONE);
    await appendFile(initramfs, cpioArchive(await filesOf(options)));
    const { onRecord } = options;
    const output = await runGuest({
      ...{ kernel: root.kernel, initramfs, directory, timeoutS: options.timeoutS },
      isInteractive: options.isInteractive ?? false,
      onRecords: onRecord && ((text) => parseRecords(text, '').forEach(onRecord)),
    });
    return {
      console: output.console,
      records: finished(parseRecords(output.records, output.console), output.console),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function filesOf(options: GuestOptions): Promise<Record<string, ArchiveFile>> {
  const init = await readFile(inRepository('test/lab/guest/init.sh'));
  return {
    '/lab/init': { content: init, executable: true },
    '/lab/mode': { content: `${options.mode}\n` },
    '/lab/job.json': { content: JSON.stringify(options.job) },
    ...options.files,
  };
}

function parseRecords(text: string, console: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as unknown;
      } catch {
        throw new LabError(
          `the guest recorded ${JSON.stringify(line.slice(0, 200))}, which is not a line of JSON; its console ended with:`,
          console,
        );
      }
    });
}

/** init.sh writes the last record; without it the guest did not get that far. */
function finished(records: unknown[], console: string): unknown[] {
  const last = records.at(-1) as { end?: number } | undefined;
  if (last?.end === undefined) {
    throw new LabError(
      'the guest ended before its program did (a kernel panic?); its console ended with:',
      console,
    );
  }
  if (last.end !== 0)
    throw new LabError(
      `the guest's program ended with exit code ${last.end}; its console ended with:`,
      console,
    );
  return records.slice(0, -1);
}
