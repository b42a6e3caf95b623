// Owns the settings files: which there are, in which order, and their TOML. What they mean is for others.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, QosError } from '@qubes-qos/core/errors';

/** The template's directory, then this qube's own; in each, files in the order of their names. Later wins. */
export const SETTINGS_DIRECTORIES: readonly string[] = ['/etc/qubes-qos', '/rw/config/qubes-qos'];

/** A parsed file. */
export interface TomlFile {
  readonly source: string;
  readonly content: unknown;
  /** As it is written, to find the line of a key. */
  readonly text: string;
}

/**
 * Reads all `*.toml`. A directory that does not exist holds no files.
 * @throws QosError('config') naming the file, and the line where the TOML is wrong.
 */
export async function readTomlFiles(
  directories: readonly string[] = SETTINGS_DIRECTORIES,
): Promise<TomlFile[]> {
  const paths = (await Promise.all(directories.map(tomlPaths))).flat();
  return Promise.all(paths.map((path) => readTomlFile(path, 'the last good settings stay in force')));
}

async function tomlPaths(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names
      .filter((name) => name.endsWith('.toml'))
      .sort()
      .map((name) => join(directory, name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new QosError('config', `cannot list ${directory}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Reads one file.
 * @param consequence - what follows from a fault, as the end of the sentence.
 * @throws QosError('config') naming the file, and the line where the TOML is wrong.
 */
export async function readTomlFile(path: string, consequence: string): Promise<TomlFile> {
  try {
    const text = await readFile(path, 'utf8');
    const { parse } = await import('smol-toml');
    return { source: path, content: parse(text), text };
  } catch (error) {
    const [what] = messageOf(error).split('\n');
    const place =
      error instanceof Error && 'line' in error && typeof error.line === 'number' ? `:${error.line}` : '';
    throw new QosError('config', `${path}${place}: ${what ?? ''}; ${consequence}.`, {
      cause: error,
    });
  }
}
