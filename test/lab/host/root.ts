// Owns the guest's root: made once by mmdebstrap, kept by the key of its recipe.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.js';
import { CACHE } from './paths.js';
import { FINISH, PACKAGES, RESULTS, SUITE } from './recipe.js';

/** What QEMU boots. */
export interface GuestRoot {
  /** The kernel as Debian ships it. */
  readonly kernel: string;
  /** The whole root as a cpio archive whose size is a multiple of 512, so that another can follow it. */
  readonly initramfs: string;
}

let building: Promise<void> | undefined;

/** The root of the present recipe; builds it when there is none. `say` hears what takes long. */
export async function guestRoot(say: (line: string) => void): Promise<GuestRoot> {
  const directory = join(CACHE, `root-${recipeKey()}`);
  if (!existsSync(directory)) {
    // Guests that start together wait for one.
    if (building === undefined) say(`making the guest's Debian ${SUITE} root (once; about a minute)`);
    building ??= buildRoot(directory);
    await building;
  }
  const [kernel, initramfs] = RESULTS;
  return { kernel: join(directory, kernel), initramfs: join(directory, initramfs) };
}

function recipeKey(): string {
  return createHash('sha256').update(mmdebstrapArguments('').join('\0')).digest('hex').slice(0, 16);
}

/** Builds beside the final place and renames: who finds the directory finds it whole. */
async function buildRoot(directory: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const work = await mkdtemp(join(CACHE, 'build-'));
  try {
    await command(['mmdebstrap', ...mmdebstrapArguments(work)]);
    await publish(work, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Works as root and, through user namespaces, as anybody: only the results leave the root, by mmdebstrap's own hand. */
function mmdebstrapArguments(results: string): string[] {
  return [
    '--variant=essential',
    '--format=null',
    `--include=${PACKAGES.join(',')}`,
    // The kernel package would make an initrd of its own, half a minute of work for a file that nobody boots.
    '--dpkgopt=path-exclude=/etc/kernel/postinst.d/*',
    `--customize-hook=${FINISH}`,
    ...RESULTS.map((file) => `--customize-hook=download ${file} '${results}${file}'`),
    SUITE,
  ];
}

/** Another build of the same recipe may have been faster: then its result is as good. */
async function publish(work: string, directory: string): Promise<void> {
  await rename(work, directory).catch((error: unknown) => {
    if (!existsSync(directory)) throw error;
  });
}
