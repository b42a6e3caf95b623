// Owns a qube to run a built program in: a network namespace of its own, and a mount namespace in which the
// QubesDB simulator's sockets are at the real path and /run is otherwise empty.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface ExecOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Prepares the namespaces, says so, and holds them until its standard input ends. */
const SETUP = `set -e
mount -t tmpfs tmpfs /run
mkdir /run/qubes
mount --bind "$1" /run/qubes
[ -e /var/run/qubes ] || mount --bind /run /var/run
ip link set lo up
echo ready
exec cat`;

/** Who is not root gets a user namespace in which they are. */
const IS_ROOT = process.getuid?.() === 0;

export class QubeNamespace {
  readonly #holder: ChildProcess;
  /** Appears as /run/qubes inside. */
  readonly socketDir: string;

  static async create(): Promise<QubeNamespace> {
    const socketDir = await mkdtemp(join(tmpdir(), 'qube-'));
    await chmod(socketDir, 0o755);
    const user = IS_ROOT ? [] : ['--map-root-user'];
    const argv = [...user, '--mount', '--net', 'bash', '-c', SETUP, 'bash', socketDir];
    const holder = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    holder.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ready = once(holder.stdout, 'data');
    const failed = once(holder, 'exit').then(() => {
      throw new Error(`cannot make the namespaces of a qube: ${said}`);
    });
    await Promise.race([ready, failed]);
    failed.catch(() => undefined);
    return new QubeNamespace(holder, socketDir);
  }

  private constructor(holder: ChildProcess, socketDir: string) {
    this.#holder = holder;
    this.socketDir = socketDir;
  }

  /** Starts a program inside. */
  spawn(argv: readonly string[], options: ExecOptions = {}): ChildProcess {
    const user = IS_ROOT ? [] : ['--user', '--preserve-credentials'];
    const target = ['--target', String(this.#holder.pid), ...user, '--mount', '--net'];
    const env = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    return spawn('nsenter', [...target, 'env', ...env, ...argv], { stdio: 'pipe' });
  }

  /** Runs a program inside to its end. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    const child = this.spawn(argv, options);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin?.on('error', () => undefined).end(options.stdin ?? '');
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  async close(): Promise<void> {
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await ended;
    await rm(this.socketDir, { recursive: true, force: true });
  }
}
