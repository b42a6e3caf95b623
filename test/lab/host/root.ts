// Owns the guest's root: made once by mmdebstrap, trimmed, packed as one initramfs, kept by the key of its recipe.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.js';
import { BLOCK } from './cpio.js';
import { LabError } from './host-error.js';
import { CACHE, inRepository } from './paths.js';
import { MODULES, PACKAGES, SUITE, UNUSED } from './recipe.js';

/** What QEMU boots. */
export interface GuestRoot {
  /** The kernel, uncompressed form as Debian ships it. */
  readonly kernel: string;
  /** The whole root as a cpio archive whose size is a multiple of 512, so that another can follow it. */
  readonly initramfs: string;
}

/** The root of the present recipe; builds it when there is none. `say` hears what takes long. */
export async function guestRoot(say: (line: string) => void): Promise<GuestRoot> {
  const directory = join(CACHE, `root-${await recipeKey()}`);
  if (!existsSync(directory)) {
    say(`making the guest's Debian ${SUITE} root (once; about a minute)`);
    await buildRoot(directory);
  }
  return { kernel: join(directory, 'vmlinuz'), initramfs: join(directory, 'root.cpio') };
}

/** Depends on the recipe and on the code that follows it, nothing else. */
async function recipeKey(): Promise<string> {
  const sources = ['recipe.ts', 'root.ts'].map((file) => readFile(inRepository('test/lab/host', file)));
  const hash = createHash('sha256');
  for (const source of await Promise.all(sources)) hash.update(source);
  return hash.digest('hex').slice(0, 16);
}

/** Builds beside the final place and renames: who finds the directory finds it whole. */
async function buildRoot(directory: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'build-'));
  try {
    const root = join(work, 'root');
    const result = join(work, 'result');
    await mkdir(result);
    await debootstrap(root);
    await trim(root);
    await rename(join(root, 'boot', await onlyFile(join(root, 'boot'), 'vmlinuz-')), join(result, 'vmlinuz'));
    await pack(root, join(result, 'root.cpio'));
    await publish(result, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function debootstrap(root: string): Promise<void> {
  await command([
    'mmdebstrap',
    '--variant=essential',
    '--mode=root',
    '--format=directory',
    `--include=${PACKAGES.join(',')}`,
    // The kernel package would make an initrd of its own, half a minute of work for a file that nobody boots.
    '--dpkgopt=path-exclude=/etc/kernel/postinst.d/*',
    SUITE,
    root,
  ]);
}

async function trim(root: string): Promise<void> {
  await command(['sh', '-c', `rm -rf -- ${UNUSED.join(' ')}`], root);
  const modules = join(root, 'usr/lib/modules');
  const version = await onlyFile(modules, '');
  const keep = await withDependencies(join(modules, version));
  await dropModules(join(modules, version), keep);
  // Unpacked here, once: the guest's processor would need seconds for it at every boot.
  await command(['sh', '-c', 'find kernel -name "*.ko.xz" -exec xz -d {} +'], join(modules, version));
  await command(['chroot', root, 'depmod', version]);
}

/** The modules of the recipe and all that they need, as paths in modules.dep: `kernel/net/x.ko.xz: kernel/net/y.ko.xz`. */
async function withDependencies(directory: string): Promise<ReadonlySet<string>> {
  const lines = (await readFile(join(directory, 'modules.dep'), 'utf8')).trim().split('\n');
  const needs = new Map(
    lines.map((line) => [line.split(':')[0]!, line.split(':')[1]!.split(' ').filter(Boolean)]),
  );
  const wanted = [...needs.keys()].filter((path) =>
    MODULES.some((prefix) => path.startsWith(`kernel/${prefix}`)),
  );
  if (wanted.length < MODULES.length) {
    throw new LabError(
      `the kernel's modules.dep has ${wanted.length} modules of the recipe, expected at least ${MODULES.length}.`,
    );
  }
  return new Set(wanted.flatMap((path) => [path, ...(needs.get(path) ?? [])]));
}

async function dropModules(directory: string, keep: ReadonlySet<string>): Promise<void> {
  const all = (await readdir(join(directory, 'kernel'), { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name));
  const unwanted = all.filter((path) => !keep.has(path.slice(directory.length + 1)));
  await Promise.all(unwanted.map((path) => rm(path)));
}

async function pack(root: string, archive: string): Promise<void> {
  await command(
    [
      'sh',
      '-c',
      `find . -print0 | sort -z | cpio --create --null --format=newc --reproducible --quiet --file="$0"`,
      archive,
    ],
    root,
  );
  const { size } = await stat(archive);
  await truncate(archive, Math.ceil(size / BLOCK) * BLOCK);
}

/** Another build of the same recipe may have been faster: then its result is as good. */
async function publish(result: string, directory: string): Promise<void> {
  await rename(result, directory).catch((error: unknown) => {
    if (!existsSync(directory)) throw error;
  });
}

async function onlyFile(directory: string, prefix: string): Promise<string> {
  const [file, ...others] = (await readdir(directory)).filter((name) => name.startsWith(prefix));
  if (file === undefined || others.length > 0) {
    throw new LabError(`${directory}: expected one ${prefix}*, found ${[file, ...others].join(', ')}.`);
  }
  return file;
}
