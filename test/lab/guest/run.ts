// Owns how guest programs run commands and wait for conditions.
import { spawn } from 'node:child_process';

export interface ShOptions {
  /** Text for standard input. */
  readonly stdin?: string;
  /** Exit codes that are answers, not failures; only 0 by default. */
  readonly okCodes?: readonly number[];
  /** Milliseconds of the guest's time after which the command is killed; 30 000 by default. */
  readonly timeoutMs?: number;
}

export interface ShResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 30_000;

/** Runs a command in the guest's own namespaces and returns its standard output; throws with what it printed if it fails. */
export async function sh(...argv: string[]): Promise<string> {
  return (await shWith({}, ...argv)).stdout;
}

/** The same with standard input, tolerated exit codes and both outputs. */
export async function shWith(options: ShOptions, ...argv: string[]): Promise<ShResult> {
  const result = await collect(argv, options);
  if (!(options.okCodes ?? [0]).includes(result.exitCode)) {
    throw new Error(`${argv.join(' ')} ended with ${result.exitCode}: ${result.stderr || result.stdout}`);
  }
  return result;
}

/** Waits until the condition gives something truthy and returns that; throws after the time, naming what it waited for. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const begin = performance.now();
    const value = await condition();
    if (value) return value;
    const now = performance.now();
    if (now > end) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}.`);
    // The guest has one processor: what is waited for needs it, too.
    await sleep(Math.min(Math.max(POLL_MS, PAUSE * (now - begin)), MAX_POLL_MS));
  }
}

const POLL_MS = 50;
const MAX_POLL_MS = 500;
/** How many times as long as a look took. */
const PAUSE = 4;

/** Lets the guest's time pass. */
export async function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A command that goes on. */
export interface Background {
  /** What it has printed so far, both outputs in order of arrival. */
  output(): string;
  /** Its exit code, or the signal that ended it; undefined while it runs. */
  ended(): number | string | undefined;
  /** Asks it to end (SIGTERM) and waits until it has. */
  stop(): Promise<void>;
  /** Waits until it ends by itself. */
  done(): Promise<void>;
}

/** Starts a command that goes on until it is stopped. */
export function start(...argv: string[]): Background {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let ended: number | string | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const closed = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended = error.message;
      resolve();
    });
    child.once('close', (code, signal) => {
      ended ??= code ?? signal ?? 'unknown';
      resolve();
    });
  });
  return {
    output: () => output,
    ended: () => ended,
    stop: async () => {
      child.kill('SIGTERM');
      await closed;
    },
    done: async () => closed,
  };
}

async function collect(argv: readonly string[], options: ShOptions): Promise<ShResult> {
  const [file = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: 'pipe',
      timeout: options.timeoutMs ?? TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === null)
        reject(
          new Error(
            `${argv.join(' ')} was ended by ${signal ?? '?'} (${options.timeoutMs ?? TIMEOUT_MS} ms allowed): ${output.stderr}`,
          ),
        );
      else resolve({ exitCode: code, ...output });
    });
    // A program that does not read its input ends before it is written.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.stdin ?? '');
  });
}
