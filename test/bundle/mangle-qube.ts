// Owns a qube with a QubesDB in which the built qubes-qos-mangle runs against the real nft.
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QubesDb } from '../sim/qubesdb.js';
import { QubeNamespace, type Outcome } from './qube-namespace.js';

export const MANGLE_PROGRAM = fileURLToPath(new URL('../../dist/qubes-qos-mangle', import.meta.url));

type Environment = Readonly<Record<string, string>>;

/** The qube; `qubesdb` may be replaced by a new daemon in `namespace.socketDir`. */
export class MangleQube {
  readonly namespace: QubeNamespace;
  qubesdb: QubesDb;

  static async create(): Promise<MangleQube> {
    const namespace = await QubeNamespace.create();
    return new MangleQube(namespace, await QubesDb.listen(namespace.socketDir));
  }

  private constructor(namespace: QubeNamespace, qubesdb: QubesDb) {
    this.namespace = namespace;
    this.qubesdb = qubesdb;
  }

  async close(): Promise<void> {
    await this.qubesdb.close();
    await this.namespace.close();
  }

  mangle(...args: string[]): Promise<Outcome> {
    return this.mangleWith({}, ...args);
  }

  mangleWith(env: Environment, ...args: string[]): Promise<Outcome> {
    return this.namespace.exec([process.execPath, MANGLE_PROGRAM, ...args], { env });
  }

  /** Starts the program, on this or another Node, and does not wait for its end. */
  start(env: Environment, args: readonly string[], node = process.execPath): ChildProcess {
    return this.namespace.spawn([node, MANGLE_PROGRAM, ...args], { env });
  }

  /** Our table as nft lists it; empty when there is none. */
  async table(): Promise<string> {
    return (await this.namespace.exec(['nft', 'list', 'table', 'inet', 'qubes-qos-mangle'])).stdout;
  }

  /** The same with the kernel's handles, which a replaced rule does not keep. */
  async handles(): Promise<string> {
    return (await this.namespace.exec(['nft', '-a', 'list', 'table', 'inet', 'qubes-qos-mangle'])).stdout;
  }

  async ruleset(): Promise<string> {
    return (await this.namespace.exec(['nft', 'list', 'ruleset'])).stdout;
  }

  /** Changes the ruleset as somebody else would. */
  async nft(script: string): Promise<void> {
    const { code, stderr } = await this.namespace.exec(['nft', '-f', '-'], { stdin: script });
    if (code !== 0) throw new Error(stderr);
  }

  /** A $PATH whose first program of this name is a shell script; $REAL in it is the real one. */
  async fakeProgram(name: string, script: string): Promise<string> {
    const real = (await this.namespace.exec(['sh', '-c', `command -v ${name} || true`])).stdout.trim();
    const dir = join(this.namespace.socketDir, 'bin');
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, name), `#!/bin/sh\nREAL=${real}\n${script}\n`);
    await chmod(join(dir, name), 0o755);
    return `/run/qubes/bin:${process.env['PATH'] ?? ''}`;
  }
}

/** What a command says that only logs. */
export function said(code: number, line: string): Outcome {
  return { code, stdout: '', stderr: `${line}\n` };
}

export function golden(name: string): Promise<string> {
  return readFile(new URL(`../golden/${name}.nft`, import.meta.url), 'utf8');
}
