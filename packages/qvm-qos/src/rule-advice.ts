// Owns what a user should hear after adding a rule inside a qube: where it has no effect, or one that was not meant.
import { messageOf } from '@qubes-qos/core/errors';
import { adviseOnClass, lookAround, type Advice } from './advice.js';
import { getTemplate, type AdminCall, type ListedQube } from './qubesd/admin.js';
import { getFeature } from './qubesd/features.js';

/** What Qubes Windows Tools have dom0 store of a qube, or of its template (core-admin qubes/ext/windows.py). */
const SYSTEM = { feature: 'os', windows: 'Windows' } as const;

/** As for a class; and a rule needs an agent. Never fails, because the rule is stored all the same. */
export async function adviseOnRules(call: AdminCall, qube: ListedQube): Promise<Advice> {
  const { name } = qube;
  const [around, windows] = await Promise.all([lookAround(call, [qube]), adviseOnWindows(call, name)]);
  const advice = adviseOnClass(around, { what: 'the rules', undo: () => `qvm-qos rule ${name} reset` });
  return {
    warnings: [...advice.warnings, ...windows.warnings],
    notes: [...advice.notes, ...windows.notes],
  };
}

async function adviseOnWindows(call: AdminCall, name: string): Promise<Advice> {
  try {
    if (!(await isWindows(call, name))) return { warnings: [], notes: [] };
    const text = `${name}: Windows has no agent, so that nothing there follows rules; and while it has rules, what it sends without a class is cs0. To undo: qvm-qos rule ${name} reset`;
    return { warnings: [text], notes: [] };
  } catch (error) {
    return { warnings: [], notes: [`${name}: whether it is Windows is not known: ${messageOf(error)}`] };
  }
}

async function isWindows(call: AdminCall, name: string): Promise<boolean> {
  const own = await getFeature(call, name, SYSTEM.feature);
  if (own !== undefined) return own === SYSTEM.windows;
  const template = await getTemplate(call, name);
  return template !== undefined && (await getFeature(call, template, SYSTEM.feature)) === SYSTEM.windows;
}
