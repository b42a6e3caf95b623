// Owns how the lab's host side runs tools: no shell, output kept, a failure told with its last lines.
import { spawn } from 'node:child_process';
import { LabError } from './host-error.js';

/** Some of the tools live where only root's login shell looks. */
const ENVIRONMENT = { ...process.env, LC_ALL: 'C', PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Runs a tool of the host to its end and returns what it printed on standard output. */
export async function command(argv: readonly [string, ...string[]], cwd?: string): Promise<string> {
  const [file, ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: ENVIRONMENT });
    const out: Buffer[] = [];
    const all: Buffer[] = [];
    child.stdout.on('data', (data: Buffer) => void (out.push(data), all.push(data)));
    child.stderr.on('data', (data: Buffer) => void all.push(data));
    child.once('error', (error) =>
      reject(new LabError(`cannot run ${file}: ${error.message}; scripts/lab installs what the lab needs.`)),
    );
    child.once('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else
        reject(
          new LabError(
            `${argv.join(' ').slice(0, 200)} ended with ${signal ?? `exit code ${code ?? '?'}`}:`,
            Buffer.concat(all).toString(),
          ),
        );
    });
  });
}
