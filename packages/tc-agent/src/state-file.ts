// Owns /run/qubes-qos/tc.json: what the agent learned since boot, for `status` and for its own next start.
import { readFile, rm } from 'node:fs/promises';
import { messageOf } from '@qubes-qos/core/errors';
import { isQdiscKind } from '@qubes-qos/core/tc/kinds';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { log } from '@qubes-qos/host/journal';
import { writeWhole } from '@qubes-qos/host/whole-file';
import type { GoodSettings } from './settings.js';

const PATH = '/run/qubes-qos/tc.json';

export interface AgentState {
  readonly missing: readonly QdiscKind[];
  readonly problems: readonly string[];
  readonly good: GoodSettings | undefined;
}

const NOTHING: AgentState = { missing: [], problems: [], good: undefined };

/** Reads the file; an absent or damaged one says nothing. It is written by root in a directory of root. */
export async function readState(): Promise<AgentState> {
  try {
    const { missing, problems, good } = JSON.parse(await readFile(PATH, 'utf8')) as Partial<AgentState>;
    return { missing: (missing ?? []).filter(isQdiscKind), problems: problems ?? [], good };
  } catch {
    return NOTHING;
  }
}

/** Replaces the file in one step. A failure is only logged: the file is a convenience, never a condition. */
export async function writeState(state: AgentState): Promise<void> {
  try {
    await writeWhole(PATH, `${JSON.stringify({ version: 1, ...state })}\n`);
  } catch (error) {
    log('warning', `cannot write ${PATH}: ${messageOf(error)}`);
  }
}

/** Forgets everything. */
export async function removeState(): Promise<void> {
  await rm(PATH, { force: true });
}
