// The specs: the same version and files as the Makefile, read by rpmspec, and built offline into packages.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasProgram, InstallTree, PACKAGES, PRESETS, ROOT, RULES, run, UNITS } from './install-tree.js';

const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };

const MACROS: Readonly<Record<string, string>> = {
  _bindir: '/usr/bin',
  _datadir: '/usr/share',
  _mandir: '/usr/share/man',
  _unitdir: UNITS,
  _presetdir: PRESETS,
  _udevrulesdir: RULES,
};

let tree: InstallTree;

beforeAll(async () => {
  tree = await InstallTree.create();
});

afterAll(() => tree.close());

describe.each(Object.entries(PACKAGES))('%s.spec', (name, { target, files }) => {
  const spec = join(ROOT, 'rpm', `${name}.spec`);

  test('has the version of package.json and lists exactly what make installs', async () => {
    const text = await readFile(spec, 'utf8');
    expect(/^Version: +(.*)$/m.exec(text)?.[1]).toBe(version);
    expect(filesOf(text)).toEqual(Object.keys(files).sort());
    expect(text).toContain(`\nmake install-${target} DESTDIR=%{buildroot}\n`);
  });

  test('is read by rpmspec', async (context) => {
    if (!(await hasProgram('rpmspec'))) return context.skip('rpmspec is not installed (package rpm)');
    expect(await run(['rpmspec', '-P', spec])).toMatch(new RegExp(`^Name: +${name}$`, 'm'));
  });

  test('makes the package from `make source`, without a network', async (context) => {
    for (const [program, owner] of [
      ['rpmbuild', 'rpm'],
      ['rst2man', 'python3-docutils'],
    ] as const)
      if (!(await hasProgram(program))) return context.skip(`${program} is not installed (package ${owner})`);
    const [rpm, held] = await buildPackage(name);
    // A directory of its own goes with the package; what else is in it is listed.
    const own = [...(await readFile(spec, 'utf8')).matchAll(/^%dir %\{_datadir\}(.*)$/gm)].map(
      ([, path = '']) => `/usr/share${path}`,
    );
    const installed = held.filter(
      (path) => !/^\/usr\/share\/(licenses|doc)\//.test(path) && !own.includes(path),
    );
    expect(installed.map((path) => path.replace(/\.gz$/, ''))).toEqual(Object.keys(files).sort());
    const requires = (await run(['rpm', '-qpR', rpm])).split('\n');
    // The first from the #! of the programs, the second from the spec.
    expect(requires).toEqual(expect.arrayContaining(['/usr/bin/node', 'nodejs >= 1:20']));
  });
});

/** The paths that a spec lists. Licence and README come from the source and not from make. */
function filesOf(spec: string): string[] {
  const [, list = ''] = spec.split('\n%files\n');
  return list
    .split('\n')
    .filter((line) => line !== '' && !/^%(license|doc|dir) /.test(line))
    .map((line) =>
      line.replace(/%\{(\w+)\}/, (_, macro: string) => MACROS[macro] ?? macro).replace(/\*$/, ''),
    )
    .sort();
}

/** Builds the package of a spec. @returns its file, and what it holds. */
async function buildPackage(name: string): Promise<[rpm: string, files: string[]]> {
  const topdir = join(tree.scratch, `${name}-rpm`);
  await mkdir(join(topdir, 'SOURCES'), { recursive: true });
  await tree.make('source', `SOURCE=${topdir}/SOURCES/qubes-qos-${version}.tar.gz`);
  // Macros of systemd-rpm-macros, which only Fedora has; --nodeps, because the packages are named as in Fedora.
  const macros = { _topdir: topdir, _unitdir: UNITS, _presetdir: PRESETS, _udevrulesdir: RULES };
  const defines = Object.entries(macros).flatMap(([macro, value]) => ['--define', `${macro} ${value}`]);
  const isolated = ['unshare', ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), '--net'];
  await run([...isolated, 'rpmbuild', '-bb', '--nodeps', ...defines, join(ROOT, 'rpm', `${name}.spec`)]);
  const rpm = join(topdir, 'RPMS/noarch', `${name}-${version}-1.noarch.rpm`);
  return [rpm, (await run(['rpm', '-qpl', rpm])).split('\n').sort()];
}
