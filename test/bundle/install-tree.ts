// Owns a copy of what is installed from, since make writes beside the programs; what is installed, and running make in it.
import { cp, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const UNITS = '/usr/lib/systemd/system';
export const RULES = '/usr/lib/udev/rules.d';
export const PRESETS = '/usr/lib/systemd/system-preset';
const MAN = '/usr/share/man';

/** What each package installs, with its mode. */
export const PACKAGES = {
  'qubes-qos': {
    target: 'vm',
    files: {
      '/usr/bin/qubes-qos-mangle': '755',
      '/usr/bin/qubes-qos-tc': '755',
      [`${PRESETS}/75-qubes-qos.preset`]: '644',
      [`${UNITS}/qubes-qos-mangle-cleanup.service`]: '644',
      [`${UNITS}/qubes-qos-mangle-wake.service`]: '644',
      [`${UNITS}/qubes-qos-mangle-wake@.path`]: '644',
      [`${UNITS}/qubes-qos-mangle.service`]: '644',
      [`${UNITS}/qubes-qos-tc.service`]: '644',
      [`${RULES}/75-qubes-qos.rules`]: '644',
      [`${MAN}/man8/qubes-qos-mangle.8`]: '644',
      [`${MAN}/man8/qubes-qos-tc.8`]: '644',
      [`${MAN}/man8/qubes-qos-trees.8`]: '644',
    },
  },
  'qubes-qos-dom0': {
    target: 'dom0',
    files: {
      '/usr/bin/qvm-qos': '755',
      [`${PRESETS}/75-qubes-qos-dom0.preset`]: '644',
      [`${UNITS}/qubes-qos-dom0.service`]: '644',
      '/usr/share/qubes-qos/30-qubes-qos-admin.policy': '644',
      [`${MAN}/man1/qvm-qos.1`]: '644',
    },
  },
} as const;

const SOURCES = [
  ...[
    'Makefile',
    'LICENSE',
    'README.md',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'docs/man',
    'packages',
  ],
  ...[
    'policy',
    'rpm',
    'salt',
    'scripts',
    'systemd',
    'udev',
    'dist/qubes-qos-mangle',
    'dist/qubes-qos-tc',
    'dist/qvm-qos',
  ],
];

export class InstallTree {
  /** Ends with the tree; also for what is made from it. */
  readonly scratch: string;

  static async create(): Promise<InstallTree> {
    const tree = new InstallTree(await mkdtemp(join(tmpdir(), 'install-')));
    for (const name of SOURCES) {
      await mkdir(dirname(tree.path(name)), { recursive: true });
      await cp(join(ROOT, name), tree.path(name), { recursive: true, filter: isSource });
    }
    return tree;
  }

  private constructor(scratch: string) {
    this.scratch = scratch;
  }

  async close(): Promise<void> {
    await rm(this.scratch, { recursive: true });
  }

  path(name: string): string {
    return join(this.scratch, 'tree', name);
  }

  /** Runs make; returns what it printed. */
  make(...args: string[]): Promise<string> {
    return run(['make', ...args], this.path('.'));
  }
}

function isSource(path: string): boolean {
  return !/\/(node_modules|\.types)$/.test(path);
}

/** Runs a program; returns what it printed. */
export async function run([program = '', ...args]: readonly string[], cwd = ROOT): Promise<string> {
  return (await execa(program, args, { cwd })).stdout;
}

export async function hasProgram(name: string): Promise<boolean> {
  const { exitCode } = await execa('sh', ['-c', 'command -v "$1"', 'sh', name], { reject: false });
  return exitCode === 0;
}

/** Path -> mode of every file below. */
export async function modes(destdir: string): Promise<Record<string, string>> {
  const entries = await readdir(destdir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map((e) => join(e.parentPath, e.name));
  const pairs = files.map(async (path): Promise<[string, string]> => [
    path.slice(destdir.length),
    ((await stat(path)).mode & 0o7777).toString(8),
  ]);
  return Object.fromEntries(await Promise.all(pairs));
}
