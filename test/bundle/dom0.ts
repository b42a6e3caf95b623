// Owns a dom0 for tests of the built qvm-qos: a simulated qubesd with an ordinary set of qubes, and a transcript.
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MachineModel } from '../sim/machine.js';
import type { MachineDescription } from '../sim/machine-types.js';
import { Qubesd, type Intercept } from '../sim/qubesd.js';

const PROGRAM = fileURLToPath(new URL('../../dist/qvm-qos', import.meta.url));

const QUBES: MachineDescription = {
  defaultNetvm: 'sys-firewall',
  qubes: [
    { name: 'sys-net', netvm: null, providesNetwork: true, running: true, ip: '10.137.0.2' },
    { name: 'sys-firewall', netvm: 'sys-net', providesNetwork: true, running: true, ip: '10.137.0.3' },
    { name: 'work', running: true, ip: '10.137.0.5' },
    { name: 'personal', running: true, ip: '10.137.0.6' },
    { name: 'untrusted', running: true, ip: '10.137.0.7' },
    { name: 'mail', ip: '10.137.0.8' },
    { name: 'vault', netvm: null, running: true },
    { name: 'debian-13', class: 'TemplateVM', netvm: null },
    { name: 'sys-whonix', providesNetwork: true, running: true, ip: '10.137.0.9', tags: ['anon-gateway'] },
    { name: 'anon-whonix', netvm: 'sys-whonix', running: true, ip: '10.137.0.10', tags: ['anon-vm'] },
    { name: 'office-pc', class: 'RemoteVM' },
  ],
};

/** What is typed after the name of the program. */
export type Line = string | readonly string[];

/** What one run of the program left behind. */
export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

/** A machine, its qubesd, and the text of what was typed and printed. */
export class Dom0 {
  readonly machine = new MachineModel(QUBES);
  readonly #directory: string;
  readonly #socketPath: string;
  /** Where the program runs. */
  readonly #cwd: string | undefined;
  #qubesd: Qubesd | undefined;
  #transcript = '';

  private constructor(directory: string, cwd: string | undefined) {
    this.#directory = directory;
    this.#cwd = cwd;
    this.#socketPath = join(directory, 'qubesd.sock');
  }

  /** A dom0 whose qubesd runs unless `isDown`; programs run in `directory`. */
  static async boot(
    options: { intercept?: Intercept; isDown?: boolean; directory?: string } = {},
  ): Promise<Dom0> {
    const directory = await mkdtemp(join(tmpdir(), 'dom0-'));
    await chmod(directory, 0o755);
    const dom0 = new Dom0(directory, options.directory);
    if (options.isDown !== true) {
      dom0.#qubesd = await Qubesd.listen(dom0.#socketPath, dom0.machine, options.intercept);
    }
    return dom0;
  }

  async close(): Promise<void> {
    await this.#qubesd?.close();
    await rm(this.#directory, { recursive: true });
  }

  /** Lets only root and the group of qubesd connect, as in dom0. */
  async restrictSocket(): Promise<void> {
    await chmod(this.#socketPath, 0o600);
  }

  /** What `vm-config.NAME` of a qube holds. */
  vmConfig(qube: string, name: string): string | undefined {
    return this.machine.qube(qube).features.get(`vm-config.${name}`);
  }

  /** Runs the built program with words, or a line of words without blanks, and notes it in the transcript; `uid` is another user to run as. */
  async type(line: Line, uid?: number): Promise<Run> {
    const args = typeof line === 'string' ? line.split(' ').filter((word) => word !== '') : line;
    const child = spawn(process.execPath, [PROGRAM, '--socket', this.#socketPath, ...args], {
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(this.#cwd === undefined ? {} : { cwd: this.#cwd }),
      ...(uid === undefined ? {} : { uid }),
    });
    const read = async (stream: AsyncIterable<Buffer>): Promise<string> => {
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      return Buffer.concat(chunks).toString().replaceAll(this.#socketPath, '/var/run/qubesd.sock');
    };
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const [stdout, stderr, exitCode] = await Promise.all([read(child.stdout), read(child.stderr), closed]);
    const status = exitCode === 0 ? '' : `[exit ${exitCode ?? 'by signal'}]\n`;
    this.#transcript += `$ ${['qvm-qos', ...args].map(shellWord).join(' ')}\n${stdout}${stderr}${status}`;
    return { stdout, stderr, exitCode };
  }

  /** Everything that was typed and printed since the last page, as a page of documentation. */
  page(title: string): string {
    const text = this.#transcript;
    this.#transcript = '';
    return `# ${title}\n\n\`\`\`console\n${text}\`\`\`\n`;
  }
}

function shellWord(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
