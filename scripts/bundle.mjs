// Builds dist/ (or the directory given): one executable file per program, with nothing else needed at run time but
// Node, nft, tc and ip.
import { chmod, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(await readFile(`${root}package.json`, 'utf8'));

/** Program name in /usr/bin -> its entry point. */
const PROGRAMS = {
  'qubes-qos-mangle': 'packages/mangle-agent/src/main.ts',
  'qubes-qos-tc': 'packages/tc-agent/src/main.ts',
  'qvm-qos': 'packages/qvm-qos/src/main.ts',
};

/** Where the files go. */
const outdir = process.argv[2] ?? `${root}dist`;

/** Largest bundle that ships, bytes. */
const MAX_BYTES = 400_000;

/** commander can start a program for a subcommand. Ours never do, and to load what that takes is time at every start. */
const WITHOUT_PROCESSES = {
  name: 'without-processes',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes('/commander/') ? { path: 'none', namespace: 'empty' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
  },
};

await mkdir(outdir, { recursive: true });
await Promise.all(Object.entries(PROGRAMS).map(([name, entry]) => bundle(name, entry)));

async function bundle(name, entry) {
  const outfile = `${outdir}/${name}`;
  await rm(outfile, { force: true });
  await build({
    entryPoints: [`${root}${entry}`],
    outfile,
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    // CommonJS: an extensionless file is CommonJS to Node, and bundled dependencies may call require().
    format: 'cjs',
    // Names are kept, so that a stack trace from a user's journal can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    define: { QUBES_QOS_VERSION: JSON.stringify(version) },
    plugins: [WITHOUT_PROCESSES],
    banner: { js: '#!/usr/bin/node' },
    logLevel: 'warning',
  });
  await chmod(outfile, 0o755);
  const { size } = await stat(outfile);
  if (size > MAX_BYTES) throw new Error(`${outfile} has ${size} bytes: expected at most ${MAX_BYTES}`);
  console.log(`${name} ${size} bytes`);
}
