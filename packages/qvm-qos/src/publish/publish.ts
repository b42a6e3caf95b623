// Owns publication: read, compare, write what differs, until a read finds nothing to do.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { FEATURE } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import type { AdminCall } from '../qubesd/admin.js';
import { inRounds } from '../qubesd/asked-once.js';
import { removeFeature, replaceFeature } from '../qubesd/features.js';
import { diffAround, type Before } from './around.js';
import { planPublication } from './desired.js';
import { diffPublication, keyOf, stepOf, type FeatureChange } from './diff.js';
import { readPart, readSystem, type Scope } from './read-system.js';

/** What a publication did, or with a dry run would do. */
export interface Published {
  readonly changes: readonly FeatureChange[];
  /** `QUBE: FEATURE: why`, for each change that was refused. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** How much of the machine is read. */
export interface PublishOptions {
  readonly scope: Scope;
  /** What was changed, as it was: then no more is read than the changed qubes need, if that tells. */
  readonly before?: Before;
  /**
   * How it reads: with answers that the command has, to what only others change. Who writes at the same time as this
   * writes features, and those are read again in each round.
   */
  readonly reading?: AdminCall;
  readonly isDryRun?: boolean;
}

/** Others may write at the same time; they compute the same, so that this is reached by nobody but a fault. */
const MAX_ROUNDS = 4;

/**
 * Makes the derived features what they should be.
 * @throws as AdminCall, when the machine cannot be read
 */
export async function publish(
  call: AdminCall,
  { scope, before, reading = call, isDryRun = false }: PublishOptions,
): Promise<Published> {
  const done: FeatureChange[] = [];
  const refused = new Map<string, string>();
  const nextRound = inRounds(reading);
  for (let round = 1; ; round++) {
    const { changes: wanted, warnings } = await planRound(nextRound(), scope, before);
    const open = wanted.filter((change) => !refused.has(keyOf(change)));
    if (isDryRun || open.length === 0 || round > MAX_ROUNDS) {
      const changes = isDryRun ? open : done;
      const errors = [...refused.values()];
      if (!isDryRun && open.length > 0)
        errors.push(`something else changes the same features all the time: ${open.map(keyOf).join(', ')}`);
      return { changes, errors, warnings, notes: notesOf(changes, isDryRun) };
    }
    for (const { change, error } of await writeChanges(call, open)) {
      if (error === undefined) done.push(change);
      else refused.set(keyOf(change), `${change.qube}: ${change.feature}: ${error}`);
    }
  }
}

interface Plan {
  readonly changes: readonly FeatureChange[];
  readonly warnings: readonly string[];
}

async function planRound(call: AdminCall, scope: Scope, before: Before | undefined): Promise<Plan> {
  if (before !== undefined) {
    const part = await readPart(call, [...before.keys()]);
    const changes = diffAround(part, before);
    if (changes !== undefined) return { changes, warnings: planPublication(part).warnings };
  }
  const system = await readSystem(call, scope);
  const publication = planPublication(system);
  return { changes: diffPublication(system, publication), warnings: publication.warnings };
}

/** What became of one change. */
export interface Outcome {
  readonly change: FeatureChange;
  readonly error: string | undefined;
}

/** Writes in steps. */
export async function writeChanges(call: AdminCall, changes: readonly FeatureChange[]): Promise<Outcome[]> {
  const steps = [0, 1, 2].map((step) => changes.filter((change) => stepOf(change) === step));
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    const results = await inParallel(step, (change) => writeChange(call, change));
    outcomes.push(...results.filter((outcome) => outcome !== undefined));
  }
  return outcomes;
}

/** Writes one change. A qube that is gone needs none. */
async function writeChange(call: AdminCall, change: FeatureChange): Promise<Outcome | undefined> {
  const { qube, feature, from, to } = change;
  try {
    if (to === null) await removeFeature(call, qube, feature);
    else await replaceFeature(call, { qube, feature, value: to, before: from ?? undefined });
    return { change, error: undefined };
  } catch (error) {
    if (error instanceof QosError && error.kind === 'no-such-domain') return undefined;
    return { change, error: messageOf(error) };
  }
}

/** A NetVM that begins to believe dom0 stops believing marks that programs set: that is worth a line. */
function notesOf(changes: readonly FeatureChange[], isDryRun: boolean): string[] {
  const names = changes.filter(({ feature }) => feature === FEATURE.enforce).map(({ qube }) => qube);
  if (names.length === 0) return [];
  const verb = isDryRun ? 'would count' : 'counts';
  return [
    `${names.join(', ')}: from now on dom0's word ${verb} there, not the packets of clients. To undo: qvm-qos enforce ${names[0] ?? ''} off`,
  ];
}
