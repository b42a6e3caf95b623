// Owns what is put into the guest: the guest program as one file, and the built programs of the suite.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { build } from 'esbuild';
import type { ArchiveFile } from './cpio.js';
import { inRepository } from './paths.js';

const GUEST = 'test/lab/guest';

/** The programs as scripts/bundle.mjs builds them, by name in dist/. */
const PROGRAMS = ['qubes-qos-mangle', 'qubes-qos-tc', 'qvm-qos'] as const;

/** The files of checks, without extension and in order of name: those of plain guests, or those that need systemd. */
export async function checkFiles(mode: 'plain' | 'systemd'): Promise<string[]> {
  const directory = inRepository(GUEST, mode === 'plain' ? 'checks' : 'checks-systemd');
  if (!existsSync(directory)) return [];
  return (await readdir(directory))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -3))
    .sort();
}

/** The path of a file of checks. */
export function checkPath(mode: 'plain' | 'systemd', name: string): string {
  return inRepository(GUEST, mode === 'plain' ? 'checks' : 'checks-systemd', `${name}.ts`);
}

/** Everything one run puts into the guest: the guest program with these files of checks in it, traffic, and the suite. */
export async function guestFiles(checks: readonly string[]): Promise<Record<string, ArchiveFile>> {
  const imports = [...checks, inRepository(GUEST, 'main.ts')].map(
    (path) => `import ${JSON.stringify(path)};`,
  );
  const result = await build({
    stdin: { contents: imports.join('\n'), resolveDir: inRepository(), loader: 'ts' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    write: false,
    define: { QUBES_QOS_VERSION: '"lab"' },
    logLevel: 'warning',
  });
  return {
    '/lab/guest.cjs': { content: result.outputFiles[0]!.contents },
    '/lab/traffic.py': { content: await readFile(inRepository('test/lab/traffic.py')) },
    '/lab/pull.py': { content: await readFile(inRepository('test/lab/pull.py')) },
    ...(await suiteFiles()),
  };
}

const RULES = '75-qubes-qos.rules';

/** A program that is not built is not there: the check that asks for it says so. */
async function suiteFiles(): Promise<Record<string, ArchiveFile>> {
  const built = PROGRAMS.filter((name) => existsSync(inRepository('dist', name)));
  const units = (await readdir(inRepository('systemd'))).filter((name) => /\.(service|path)$/.test(name));
  const files = await Promise.all([
    ...built.map((name) => suiteFile(`/usr/bin/${name}`, inRepository('dist', name), true)),
    ...units.map((name) =>
      suiteFile(`/usr/lib/systemd/system/${name}`, inRepository('systemd', name), false),
    ),
    suiteFile(`/usr/lib/udev/rules.d/${RULES}`, inRepository('udev', RULES), false),
  ]);
  return Object.fromEntries(files);
}

async function suiteFile(path: string, from: string, executable: boolean): Promise<[string, ArchiveFile]> {
  const content = await readFile(from);
  return [path, executable ? { content, executable } : { content }];
}
