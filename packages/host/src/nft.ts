// Owns the talk with nft: observe, check, apply, verify. Every change is one `nft -f -`, which the kernel takes
// whole or not at all; only tables that we own are ever named.
import { QosError } from '@qubes-qos/core/errors';
import { diffTable, explainTable } from '@qubes-qos/core/nft/diff';
import type { NftTable, TableId } from '@qubes-qos/core/nft/model';
import { readTable } from '@qubes-qos/core/nft/read';
import { renderNft, renderTableId } from '@qubes-qos/core/nft/render';
import { run } from './process.js';

/** Attempts to reach a state that somebody else may be changing at the same time. */
const ATTEMPTS = 3;

/** The table as the kernel has it; undefined when there is none. @throws QosError of `run`, or `command`. */
export async function observeTable(id: TableId): Promise<NftTable | undefined> {
  const argv = ['nft', '-j', 'list', 'table', id.family, id.name] as const;
  const { exitCode, stdout, stderr } = await run(argv, { okCodes: [0, 1] });
  if (exitCode === 0) return readTable(id, stdout);
  if (stderr.includes('No such file or directory')) return undefined;
  throw refusal(`list table ${renderTableId(id)}`, stderr);
}

/** Runs a script through nft's own dry run; nothing changes. @throws QosError('command') with what nft said. */
export async function checkScript(script: string): Promise<void> {
  await feed(['nft', '-c', '-f', '-'], script);
}

/**
 * Makes the table what it should be (undefined: not there), reads it back, and tries again when it is not.
 * Nothing is run when it is right already.
 * @returns whether anything was changed.
 * @throws QosError: `drift` when nft took the script and the table is still another, or what `run` throws.
 */
export async function convergeTable(id: TableId, desired: NftTable | undefined): Promise<boolean> {
  let observed = await observeTable(id);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const ops = diffTable(id, desired, observed);
    if (ops.length === 0) return attempt > 0;
    await feed(['nft', '-f', '-'], renderNft(ops));
    observed = await observeTable(id);
  }
  if (diffTable(id, desired, observed).length === 0) return true;
  throw new QosError(
    'drift',
    `${explainTable(id, desired, observed)}, after nft took the script ${ATTEMPTS} times; see nft list ruleset for what else changes it.`,
  );
}

async function feed(argv: readonly [string, ...string[]], script: string): Promise<void> {
  const { exitCode, stderr } = await run(argv, { stdin: script, okCodes: [0, 1] });
  if (exitCode !== 0) throw refusal('the script', stderr);
}

/** nft says what is wrong on the first line and then shows the place. */
function refusal(what: string, stderr: string): QosError {
  const reason = (stderr.split('\n')[0] ?? '').replace(/^.*Error: /, '') || 'it gave no reason';
  const hint = reason.includes('Operation not permitted') ? ' Run it as root.' : '';
  return new QosError('command', `nft refused ${what}: ${reason}; nothing was changed.${hint}`);
}
