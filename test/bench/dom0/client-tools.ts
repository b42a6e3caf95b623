// Owns how Qubes' own command-line tools are run from a checkout of qubes-core-admin-client, against another qubesd than dom0's.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A command with its environment, which is all that it gets. */
export interface Program {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** As the script that pip makes of an entry point; and what the tools find in dom0: a qubesd, not qrexec. */
const LAUNCHER = `import sys
import qubesadmin
import qubesadmin.config
qubesadmin.config.QUBESD_SOCKET = sys.argv.pop(1)
qubesadmin.Qubes = qubesadmin.app.QubesLocal
`;

/** True for a directory that holds the tools. */
export function hasClientTools(directory: string): boolean {
  return existsSync(join(directory, 'qubesadmin/tools/qvm_features.py'));
}

/**
 * Makes the tools ready to run.
 * @param directory - the checkout; nothing is written into it.
 * @param scratch - an empty directory for what an installation would have: a launcher for each tool, the package's metadata, compiled code.
 */
export async function prepareClientTools(
  directory: string,
  scratch: string,
  socketPath: string,
): Promise<(tool: string, ...args: readonly string[]) => Program> {
  const version = (await readFile(join(directory, 'version'), 'utf8')).trim();
  const metadata = join(scratch, 'site', `qubesadmin-${version}.dist-info`);
  await mkdir(metadata, { recursive: true });
  const fields = {
    Name: 'qubesadmin',
    Version: version,
    Summary: 'client',
    'Author-email': 'nobody',
    License: 'LGPL',
  };
  const lines = Object.entries({ 'Metadata-Version': '2.1', ...fields }).map(
    ([key, value]) => `${key}: ${value}\n`,
  );
  await writeFile(join(metadata, 'METADATA'), lines.join(''));
  for (const tool of ['qvm_features', 'qvm_ls'])
    await writeFile(
      join(scratch, `${tool}.py`),
      `${LAUNCHER}from qubesadmin.tools.${tool} import main\nsys.exit(main())\n`,
    );
  const env = {
    PATH: '/usr/bin:/bin',
    PYTHONPATH: `${directory}:${join(scratch, 'site')}`,
    PYTHONPYCACHEPREFIX: join(scratch, 'compiled'),
  };
  return (tool, ...args) => ({
    argv: ['/usr/bin/python3', join(scratch, `${tool.replaceAll('-', '_')}.py`), socketPath, ...args],
    env,
  });
}
