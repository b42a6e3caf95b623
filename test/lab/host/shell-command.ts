// Owns `scripts/lab shell` and `scripts/lab exec`.
import type { Job } from '../guest/main.js';
import type { ExecRecord } from '../guest/shell.js';
import { bootGuest } from './boot.js';
import { guestFiles } from './bundle.js';
import { LabError } from './host-error.js';

const DAY_S = 86_400;
const EXEC_TIMEOUT_S = 600;

/** A shell in the guest on this terminal, in real time. */
export async function runShellCommand(): Promise<number> {
  const { rows = 24, columns = 80 } = process.stdout as { rows?: number; columns?: number };
  const terminal = { term: process.env['TERM'] ?? 'linux', rows, columns };
  const job: Job = { run: 'shell', terminal };
  await bootGuest({ mode: 'plain', isInteractive: true, job, files: await guestFiles([]), timeoutS: DAY_S });
  return 0;
}

/** One command in a qube; its output and exit code are this one's. */
export async function runExecCommand([qube, ...argv]: readonly string[]): Promise<number> {
  if (qube === undefined || argv.length === 0) throw new LabError('usage: scripts/lab exec QUBE CMD...');
  const job: Job = { run: 'exec', qube, argv };
  const files = await guestFiles([]);
  const { records } = await bootGuest({ mode: 'plain', job, files, timeoutS: EXEC_TIMEOUT_S });
  const result = records[0] as ExecRecord | undefined;
  if (result === undefined) throw new LabError('the guest did not report what the command left.');
  process.stdout.write(result.stdout);
  process.stderr.write(result.stderr);
  return result.exitCode;
}
