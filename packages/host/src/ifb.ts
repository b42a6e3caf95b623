// Owns the making and removing of ifb devices, each batch in one process.
import { run } from './process.js';

/** Makes ifbs and sets them up. @throws QosError of `run`: a kernel without the module ifb refuses. */
export async function addIfbs(names: readonly string[]): Promise<void> {
  await batch(ifbLines(names));
}

/** The script that makes ifbs, for `ip -batch`. */
export function ifbLines(names: readonly string[]): string {
  return names.map((name) => `link add ${name} type ifb\nlink set ${name} up\n`).join('');
}

/** Sets ifbs up that something has set down: what is sent into one that is down is lost. */
export async function setUpIfbs(names: readonly string[]): Promise<void> {
  await batch(names.map((name) => `link set ${name} up\n`).join(''));
}

/** Removes ifbs. Nothing must be redirected to them any more: such a packet is dropped. */
export async function deleteIfbs(names: readonly string[]): Promise<void> {
  await batch(names.map((name) => `link delete ${name}\n`).join(''));
}

async function batch(script: string): Promise<void> {
  if (script !== '') await run(['ip', '-batch', '-'], { stdin: script });
}
