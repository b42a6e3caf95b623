// Owns `qvm-qos set` and `qvm-qos unset`: the class of qubes, as the feature vm-config.dscp.
import { classNameList, isClassName, type ClassName } from '@qubes-qos/core/classes';
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { adviseOnClass, lookAround } from '../advice.js';
import { FEATURE } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import { listQubes, type AdminCall, type ListedQube } from '../qubesd/admin.js';
import { rememberingOthers } from '../qubesd/asked-once.js';
import { getFeature, removeFeature, setFeature } from '../qubesd/features.js';
import type { Before } from '../publish/around.js';
import { TOLD_NOTHING, tellNetvms } from '../publish/tell.js';
import type { ChangeResult, QubeChange, Telling } from '../results.js';
import { assertSelection, selectQubes, type Selection } from '../select-qubes.js';

/** The last word is the class, the ones before it name qubes. @throws QosError('usage') */
export function splitClass(words: readonly string[]): { names: string[]; className: ClassName } {
  const names = words.slice(0, -1);
  const last = words.at(-1);
  if (last === undefined) throw new QosError('usage', 'the following arguments are required: VM, CLASS');
  if (isClassName(last)) return { names, className: last };
  const swapped = words.find(isClassName);
  const advice = swapped === undefined ? '' : `; the class comes last, as in: qvm-qos set work ${swapped}`;
  throw new QosError('usage', `unknown class ${quote(last)}: expected ${classNameList()}${advice}`);
}

/** Gives every qube the class. All names are checked before the first is changed; then each is tried. */
export async function setClass(
  call: AdminCall,
  selection: Selection,
  className: ClassName,
): Promise<ChangeResult> {
  assertSelection(selection);
  const qubes = selectQubes(await listQubes(call), selection);
  const reading = rememberingOthers(call);
  const around = lookAround(reading, qubes);
  const { changes, before } = await change(qubes, ({ name }) =>
    setFeature(call, name, FEATURE.class, className),
  );
  const told = await tellOf(call, before, reading);
  const advice = adviseOnClass((await around).filter((_, index) => changes[index]?.done === true));
  return {
    ...{ command: 'set', class: className, qubes: changes, ...told },
    warnings: [...advice.warnings, ...told.warnings],
    notes: [...advice.notes, ...told.notes],
  };
}

/** Takes the class from every qube; one that has none is done already. */
export async function unsetClass(call: AdminCall, selection: Selection): Promise<ChangeResult> {
  assertSelection(selection);
  const qubes = selectQubes(await listQubes(call), selection);
  const { changes, before: had } = await change(qubes, async ({ name }) => {
    const before = await getFeature(call, name, FEATURE.class);
    await removeFeature(call, name, FEATURE.class);
    return before;
  });
  return { command: 'unset', class: null, qubes: changes, ...(await tellOf(call, had)) };
}

async function tellOf(call: AdminCall, before: Before, reading = call): Promise<Telling> {
  return before.size > 0 ? tellNetvms(call, 'concerned', { before, reading }) : TOLD_NOTHING;
}

/** @param action - returns the class from before. */
async function change(
  qubes: readonly ListedQube[],
  action: (qube: ListedQube) => Promise<string | undefined>,
): Promise<{ readonly changes: QubeChange[]; readonly before: Before }> {
  const outcomes = await inParallel(qubes, async (qube) => {
    try {
      return { qube: qube.name, before: await action(qube), error: null };
    } catch (error) {
      return { qube: qube.name, before: undefined, error: messageOf(error) };
    }
  });
  const done = outcomes.filter(({ error }) => error === null);
  return {
    changes: outcomes.map(({ qube, error }) => ({ qube, done: error === null, error })),
    before: new Map(done.map(({ qube, before }) => [qube, new Map([[FEATURE.class, before]])])),
  };
}
