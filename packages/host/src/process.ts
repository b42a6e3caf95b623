// Owns every process that the programs start: the only module that imports node:child_process.
// Not execa: it is half of a bundle, and doubles what a resident agent holds after fifty runs (docs/decisions.md).
import type { ChildProcessByStdio } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { messageOf, QosError } from '@qubes-qos/core/errors';

/** What a finished process left behind. */
export interface ProcessResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Text for standard input; none gives the process an empty one. */
  readonly stdin?: string;
  /** Milliseconds after which the process is killed and QosError('timeout') thrown; 10 000 by default. */
  readonly timeoutMs?: number;
  /** Exit codes that are answers, not failures; only 0 by default. */
  readonly okCodes?: readonly number[];
}

/** Hears of every command before it runs. */
export type RunListener = (argv: readonly string[], stdin: string) => void;

let listener: RunListener | undefined;

/** Lets one listener hear of every command from now on: what `--debug` shows. */
export function listenToRuns(onRun: RunListener): void {
  listener = onRun;
}

const TIMEOUT_MS = 10_000;
/** Output beyond this is a fault of the tool, bytes: 250 vifs make about 1 MB. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/**
 * Runs one command to its end, with LC_ALL=C and no shell.
 * @throws QosError: `tool-missing` when there is no such program, `timeout`, or `command` with what it printed.
 */
export async function run(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const { execFile } = await import('node:child_process');
  listener?.(argv, options.stdin ?? '');
  const [file, ...args] = argv;
  const timeout = options.timeoutMs ?? TIMEOUT_MS;
  const env = { ...process.env, LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { env, timeout, maxBuffer: MAX_OUTPUT, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        const exitCode = error ? error.code : 0;
        if (typeof exitCode === 'number' && (options.okCodes ?? [0]).includes(exitCode)) {
          resolve({ exitCode, stdout, stderr });
        } else {
          reject(failure(argv, error ?? new Error('no exit code'), stderr, timeout));
        }
      },
    );
    // A command that does not read its input to the end says why by its exit code; EPIPE adds nothing.
    child.stdin?.on('error', () => undefined).end(options.stdin ?? '');
  });
}

function failure(
  argv: readonly [string, ...string[]],
  error: Error & { code?: unknown; killed?: boolean },
  stderr: string,
  timeoutMs: number,
): QosError {
  const command = argv.join(' ');
  const said = stderr.trim();
  if (error.code === 'ENOENT') {
    return new QosError(
      'tool-missing',
      `cannot run ${argv[0]}: no such program; install the package that has it.`,
    );
  }
  if (error.killed === true && error.code === null) {
    return new QosError('timeout', `${command}: no end after ${timeoutMs / 1000} s; it was stopped.`, {
      cause: error,
    });
  }
  const how =
    typeof error.code === 'number' ? `failed with exit code ${error.code}` : 'did not end by itself';
  const what = said === '' ? (typeof error.code === 'number' ? 'it printed nothing' : error.message) : said;
  return new QosError('command', `${command} ${how}: ${what}`, { cause: error });
}

/** A process whose output is bytes, as they come. */
export interface Pipe {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** After the last chunk; the exit code is null when a signal ended it. @throws QosError('tool-missing') */
  readonly ended: Promise<{ readonly exitCode: number | null; readonly stderr: string }>;
  readonly stop: () => void;
}

/** Starts a command with this as its whole input, and no shell. */
export function startPipe(argv: readonly [string, ...string[]], stdin: string): Pipe {
  const started = import('node:child_process').then(({ spawn }) => {
    const [file, ...args] = argv;
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-1000)));
    // A command that does not read its input to the end says why by its exit code; EPIPE adds nothing.
    child.stdin.on('error', () => undefined).end(stdin);
    const ended = new Promise<{ exitCode: number | null; stderr: string }>((resolve, reject) => {
      child.once('error', () =>
        reject(
          new QosError(
            'tool-missing',
            `cannot run ${file}: no such program; install the package that has it.`,
          ),
        ),
      );
      child.once('close', (exitCode) => resolve({ exitCode, stderr }));
    });
    ended.catch(() => undefined);
    return { child, ended };
  });
  return {
    chunks: chunksOf(started.then(({ child }) => child.stdout)),
    ended: started.then(({ ended }) => ended),
    stop: () => void started.then(({ child }) => child.kill('SIGTERM')),
  };
}

async function* chunksOf(stream: Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await stream;
}

/** A process that goes on: its output lines, until it ends or `stop` is called. */
export interface Follower {
  readonly lines: AsyncIterable<string>;
  readonly stop: () => void;
}

/** Starts a command that prints for as long as it lives (`ip monitor`). The lines end when the process does. */
export async function follow(argv: readonly [string, ...string[]]): Promise<Follower> {
  const { createInterface } = await import('node:readline');
  const child = await startPrinting(argv);
  return { lines: createInterface({ input: child.stdout }), stop: () => void child.kill('SIGTERM') };
}

/** A process that prints into a socket which another process will read. */
export interface Source {
  readonly pid: number;
  readonly socket: Socket;
  /** True when it has printed, or ended, since it was started: what this process took from the socket is lost to others. */
  readonly hasPrinted: () => boolean;
  readonly stop: () => void;
}

/** Starts a command that prints for as long as it lives, and outlives this process. @throws QosError('tool-missing') */
export async function startSource(argv: readonly [string, ...string[]]): Promise<Source> {
  const child = await startPrinting(argv);
  child.unref();
  // A pipe of a child is a socket (child_process, "child.stdout"), and only a socket can be given away.
  const socket = child.stdout as unknown as Socket;
  return {
    pid: child.pid ?? 0,
    socket,
    hasPrinted: () => socket.readableLength > 0 || child.exitCode !== null,
    stop: () => {
      child.kill('SIGTERM');
      socket.destroy();
    },
  };
}

/** Starts a command of which only the output is wanted, and waits until it runs. @throws QosError('tool-missing') */
async function startPrinting(
  argv: readonly [string, ...string[]],
): Promise<ChildProcessByStdio<null, Readable, null>> {
  const { spawn } = await import('node:child_process');
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  try {
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  } catch (error) {
    throw new QosError('tool-missing', `cannot run ${argv.join(' ')}: ${messageOf(error)}`, { cause: error });
  }
  return child;
}

/**
 * Puts a command into the background and prints its process id. The shell in between ends at once, so that the
 * command becomes a child of process 1: systemd warns of a main process that is not its own child, and kills it
 * without waiting. The sockets come as 0 and 2, which libuv makes blocking for who inherits them, and no others.
 */
const START_ORPHAN =
  'command -v "$1" >/dev/null || exit 127; exec 5<&0; "$@" <&5 5<&- >/dev/null 4<&2 2>&3 3<&4 4<&- & echo "$!"';

/**
 * Starts a command that outlives this process, with a connected socket as its standard input, and another, if there
 * is one, as its descriptor 3; `env` is added to the environment. The caller must have stopped reading from them; its
 * own copies are closed by `destroy`.
 * @returns the process id. @throws QosError('tool-missing')
 */
export async function startWithSockets(
  argv: readonly [string, ...string[]],
  [first, second]: readonly [Socket, Socket?],
  env: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { spawn } = await import('node:child_process');
  const shell = spawn('sh', ['-c', START_ORPHAN, 'sh', ...argv], {
    stdio: [first, 'pipe', second ?? 'ignore', process.stderr.fd],
    env: { ...process.env, ...env },
  });
  let printed = '';
  shell.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  await new Promise((resolve, reject) => shell.once('error', reject).once('close', resolve));
  const pid = Number(printed);
  if (Number.isInteger(pid) && pid > 0) return pid;
  throw new QosError('tool-missing', `cannot start ${argv[0]}: no such program, or no shell to start it.`);
}

/** Sends a signal to a process that this one has started; one that has ended is nothing to worry about. */
export function endProcess(pid: number, signal: 'SIGTERM' | 'SIGHUP' = 'SIGTERM'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it has ended by itself.
  }
}
