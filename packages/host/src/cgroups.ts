// Owns where the processes of systemd's units are: paths below /sys/fs/cgroup.
import { access, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { run } from './process.js';

const ROOT = '/sys/fs/cgroup';

/** Cgroups in which a manager of systemd puts units: slices, and the service that is the manager of a user. */
const HAS_UNITS = /\.slice$|(^|\/)user@\d+\.service$/;

/** Deeper than any slice: what is below is a program's own. */
const MAX_DEPTH = 12;

/** True for a cgroup in which units come and go. */
export function hasUnits(path: string): boolean {
  return HAS_UNITS.test(path);
}

/** The cgroups of all units, of the system's manager and of users', slices included. */
export async function unitCgroups(): Promise<readonly string[]> {
  return below('', MAX_DEPTH);
}

/** True when there is a cgroup of this path now. */
export async function hasCgroup(path: string): Promise<boolean> {
  return access(`${ROOT}/${path}`).then(
    () => true,
    () => false,
  );
}

/** The directory in which a cgroup of this path comes and goes, or the nearest one above that is there. */
export async function directoryOf(path: string): Promise<string> {
  const parent = path.includes('/') ? dirname(path) : '';
  return parent === '' || (await hasCgroup(parent)) ? join(ROOT, parent) : directoryOf(parent);
}

/** The path of a slice: `user-1000.slice` is in `user.slice` (systemd.slice(5)). */
export function sliceCgroup(slice: string): string {
  const words = slice
    .replace(/\.slice$/, '')
    .split('-')
    .filter(Boolean);
  return words.map((_, index) => `${words.slice(0, index + 1).join('-')}.slice`).join('/');
}

/** What the system's manager knows of a unit, running or not. */
export interface SystemUnit {
  /** Its name; that which was asked for may be an alias. */
  readonly id: string;
  readonly slice: string;
}

/** Those of the names that are units of the system's manager; none where systemd does not run. */
export async function systemUnits(names: readonly string[]): Promise<ReadonlyMap<string, SystemUnit>> {
  if (names.length === 0) return new Map();
  const argv = ['systemctl', 'show', '--property=Id,LoadState,Slice', '--', ...names] as const;
  const { stdout } = await run(argv, { okCodes: [0, 1] }).catch(() => ({ stdout: '' }));
  const blocks = stdout.split('\n\n').map((block) => new Map(block.split('\n').map(keyAndValue)));
  return new Map(
    names.flatMap((name, index) => {
      const { id, state, slice } = fieldsOf(blocks[index]);
      return state === 'loaded' ? [[name, { id, slice }]] : [];
    }),
  );
}

function fieldsOf(block: ReadonlyMap<string, string> = new Map()): {
  id: string;
  state: string;
  slice: string;
} {
  const field = (name: string): string => block.get(name) ?? '';
  return { id: field('Id'), state: field('LoadState'), slice: field('Slice') };
}

function keyAndValue(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}

async function below(path: string, depth: number): Promise<string[]> {
  const entries = await readdir(join(ROOT, path), { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const deeper = await Promise.all(
    names.map(async (name) => {
      const inner = path === '' ? name : `${path}/${name}`;
      return [inner, ...(depth > 0 && hasUnits(name) ? await below(inner, depth - 1) : [])];
    }),
  );
  return deeper.flat();
}

function join(root: string, path: string): string {
  return path === '' ? root : `${root}/${path}`;
}
