// Owns where the lab keeps things in the repository; `.cache` is ignored by git and may be deleted at any time.
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';

/** The root of the repository: the nearest directory above the running program that has the workspaces' package.json. */
export const REPOSITORY = findRepository(process.cwd());

/** Everything that the lab makes and can make again. */
export const CACHE = join(REPOSITORY, '.cache', 'lab');

/** A path in the repository. */
export function inRepository(...parts: string[]): string {
  return join(REPOSITORY, ...parts);
}

function findRepository(start: string): string {
  for (let directory = start; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'scripts', 'bundle.mjs'))) return directory;
    if (directory === dirname(directory)) {
      throw new Error(`${start} is not in the repository: start scripts/lab or the tests from within it.`);
    }
  }
}
