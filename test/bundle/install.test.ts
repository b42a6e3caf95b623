// What the Makefile installs: exactly its files, with their modes; units that can start; manual pages that can be read.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasProgram, InstallTree, modes, PACKAGES, ROOT, UNITS } from './install-tree.js';

let tree: InstallTree;

beforeAll(async () => {
  tree = await InstallTree.create();
});

afterAll(() => tree.close());

describe.each(Object.entries(PACKAGES))('%s', (name, { target, files }) => {
  // The pages are empty: what matters here is where they go.
  const emptyPages = 'RST2MAN=true';

  test('make installs exactly its files, with their modes', async () => {
    const destdir = join(tree.scratch, name);
    await tree.make(`install-${target}`, `DESTDIR=${destdir}`, emptyPages);
    expect(await modes(destdir)).toEqual(files);
  });

  test('make uninstalls all of them', async () => {
    const destdir = join(tree.scratch, `${name}-gone`);
    await tree.make(`install-${target}`, `DESTDIR=${destdir}`, emptyPages);
    await tree.make(`uninstall-${target}`, `DESTDIR=${destdir}`);
    expect(await modes(destdir)).toEqual({});
  });

  test('without rst2man the pages are left out, and it is said in one line', async () => {
    const destdir = join(tree.scratch, `${name}-no-pages`);
    const said = await tree.make(`install-${target}`, `DESTDIR=${destdir}`, 'RST2MAN=', 'PAGES_DIR=none');
    expect(said.match(/^No rst2man .*not installed\.$/gm)).toHaveLength(1);
    const expected = Object.entries(files).filter(([path]) => !path.includes('/man/'));
    expect(await modes(destdir)).toEqual(Object.fromEntries(expected));
  });
});

test('without rst2man the pages that were made before are installed', async () => {
  await tree.make('PAGES_DIR=made', 'RST2MAN=true', 'made/qvm-qos.1');
  const destdir = join(tree.scratch, 'made-before');
  const said = await tree.make('install-dom0', `DESTDIR=${destdir}`, 'PAGES_DIR=made', 'RST2MAN=');
  expect(said).not.toContain('No rst2man');
  expect(await modes(destdir)).toEqual(PACKAGES['qubes-qos-dom0'].files);
});

test('an installation builds what is missing and nothing else', async () => {
  const install = (...args: string[]): Promise<string> =>
    tree.make('--dry-run', 'install-vm', 'RST2MAN=', ...args);
  expect(await install()).not.toContain('npm');
  expect(await install('VM_PROGRAMS=qubes-qos-other')).toMatch(/^npm run --silent build$/m);
});

test('the units start programs that are installed', async () => {
  const started: string[] = [];
  for (const { target } of Object.values(PACKAGES)) {
    const destdir = join(tree.scratch, `units-${target}`);
    await tree.make(`install-${target}`, `DESTDIR=${destdir}`, 'RST2MAN=');
    for (const unit of await readdir(join(destdir, UNITS))) {
      const text = await readFile(join(destdir, UNITS, unit), 'utf8');
      for (const [, program = ''] of text.matchAll(/^Exec\w+=(\/\S+)/gm)) {
        expect((await stat(join(destdir, program))).mode & 0o111).toBe(0o111);
        started.push(program);
      }
    }
  }
  expect(new Set(started)).toEqual(
    new Set(['/usr/bin/qubes-qos-mangle', '/usr/bin/qubes-qos-tc', '/usr/bin/qvm-qos']),
  );
});

test.each(Object.entries(PACKAGES))(
  'the preset and the package %s enable exactly its units that can be enabled',
  async (name, { files }) => {
    const read = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');
    const units = Object.keys(files).filter((path) => path.startsWith(UNITS));
    const texts = await Promise.all(units.map((unit) => read(`systemd/${basename(unit)}`)));
    const enabled = units
      .filter((_, position) => texts[position]?.includes('[Install]'))
      .map((unit) => basename(unit))
      .sort();
    expect(enabled).not.toEqual([]);
    const preset = await read(`systemd/75-${name}.preset`);
    expect([...preset.matchAll(/^enable (.*)$/gm)].map(([, unit]) => unit).sort()).toEqual(enabled);
    const spec = await read(`rpm/${name}.spec`);
    for (const scriptlet of ['post', 'preun', 'postun'])
      expect(spec).toContain(`\n%${scriptlet}\n%systemd_${scriptlet} ${enabled.join(' ')}\n`);
  },
);

test.for(['qvm-qos.1', 'qubes-qos-mangle.8', 'qubes-qos-tc.8', 'qubes-qos-trees.8'])(
  'rst2man makes %s without a warning',
  async (page, context) => {
    if (!(await hasProgram('rst2man')))
      return context.skip('rst2man is not installed (package python3-docutils)');
    await tree.make('--always-make', `dist/man/${page}`);
    const roff = await readFile(tree.path(`dist/man/${page}`), 'utf8');
    const [name = '', section = ''] = page.split('.');
    expect(roff).toMatch(new RegExp(`^\\.TH "?${name.replaceAll('-', '\\\\?-')}"? "?${section}"? `, 'im'));
    expect(roff).toMatch(/^\.SH "?SYNOPSIS"?$/im);
    // What is no program has no exit status.
    if (name !== 'qubes-qos-trees') expect(roff).toMatch(/^\.SH "?EXIT STATUS"?$/im);
  },
);
