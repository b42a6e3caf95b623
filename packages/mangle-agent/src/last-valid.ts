// Owns what this boot's last valid policy was. The kernel shows what is in force, but not after a `flush ruleset`
// or a stop; and with an invalid policy nothing else says what should be.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isClassName, type ClassName } from '@qubes-qos/core/classes';
import { messageOf } from '@qubes-qos/core/errors';
import { log } from '@qubes-qos/host/journal';

/** Below /run, so that it ends with the boot; the unit keeps the directory over restarts. */
export const LAST_VALID_FILE = '/run/qubes-qos/mangle-class';

/** A valid policy: a class, or `none` for an absent or empty key. */
export type ValidPolicy = ClassName | 'none';

/** The last valid policy of this boot; undefined when there was none, or when the file cannot be believed. */
export async function readLastValid(file: string): Promise<ValidPolicy | undefined> {
  const text = await readFile(file, 'latin1').then(
    (content) => content.trimEnd(),
    () => undefined,
  );
  return text !== undefined && (text === 'none' || isClassName(text)) ? text : undefined;
}

/** Remembers a valid policy. A failure is logged only: the marks are in force, and matter more. */
export async function rememberLastValid(file: string, policy: ValidPolicy): Promise<void> {
  if ((await readLastValid(file)) === policy) return;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, `${policy}\n`);
    await rename(`${file}.new`, file);
  } catch (error) {
    log('warning', `cannot remember the valid policy in ${file}: ${messageOf(error)}`);
  }
}
