// Owns what this boot's last valid policy was. The kernel shows what is in force, but not after a `flush ruleset`
// or a stop; and with an invalid policy nothing else says what should be.
import { readFile } from 'node:fs/promises';
import { isClassName } from '@qubes-qos/core/classes';
import { messageOf } from '@qubes-qos/core/errors';
import { formatRules, parseRules } from '@qubes-qos/core/qos-rules';
import { log } from '@qubes-qos/host/journal';
import { writeWhole } from '@qubes-qos/host/whole-file';
import type { ValidPolicy } from './said.js';

/** Below /run, so that it ends with the boot; the unit keeps the directory over restarts. */
export const LAST_VALID_FILE = '/run/qubes-qos/mangle-class';

/**
 * The last valid policy of this boot; undefined when there was none, or when the file cannot be believed. Its first line is
 * the class or `none`, its second the rules; versions without rules wrote the first line only.
 */
export async function readLastValid(file: string): Promise<ValidPolicy | undefined> {
  const text = await readFile(file, 'latin1').catch(() => '');
  const [className = '', rules = '', ...more] = text.trimEnd().split('\n');
  if ((className !== 'none' && !isClassName(className)) || more.length > 0) return undefined;
  try {
    return { className, rules: parseRules(rules).rules };
  } catch {
    return undefined;
  }
}

/** Remembers a valid policy. A failure is logged only: the marks are in force, and matter more. */
export async function rememberLastValid(file: string, policy: ValidPolicy): Promise<void> {
  const text = textOf(policy);
  const remembered = await readLastValid(file);
  if (remembered !== undefined && textOf(remembered) === text) return;
  try {
    await writeWhole(file, text);
  } catch (error) {
    log('warning', `cannot remember the valid policy in ${file}: ${messageOf(error)}`);
  }
}

function textOf({ className, rules }: ValidPolicy): string {
  return [className, ...(rules.length > 0 ? [formatRules(rules)] : []), ''].join('\n');
}
