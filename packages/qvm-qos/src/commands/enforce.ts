// Owns `qvm-qos enforce`: whether a NetVM believes dom0 or the packets of its clients, as vm-config.qos-enforce.
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';
import { FEATURE } from '../feature-names.js';
import { notesOnStart } from '../later.js';
import { TOLD_NOTHING, tellNetvms } from '../publish/tell.js';
import { listQubes, providesNetwork, type AdminCall } from '../qubesd/admin.js';
import { getFeature, removeFeature, setFeature } from '../qubesd/features.js';
import type { EnforceResult } from '../results.js';
import { find } from '../select-qubes.js';

/**
 * What is stored. `0` is the word of the user: publication turns enforcement on only where nothing is stored.
 */
const VALUES: ReadonlyMap<string, string> = new Map([
  ['on', '1'],
  ['off', '0'],
]);

/**
 * Shows, sets or forgets it.
 * @throws QosError of kind usage, no-such-domain, or unsupported for a qube that provides no network
 */
export async function enforce(
  call: AdminCall,
  name: string,
  { word, none = false }: { readonly word?: string; readonly none?: boolean },
): Promise<EnforceResult> {
  if (word !== undefined && none) throw new QosError('usage', 'argument --none: not allowed with on or off');
  if (word !== undefined && !VALUES.has(word))
    throw new QosError('usage', `${quote(word)}: expected on or off`);
  const netvm = find(await listQubes(call), name);
  if (!(await providesNetwork(call, name)))
    throw new QosError('unsupported', `${name} provides no network: expected a NetVM, such as sys-firewall.`);
  const value = word === undefined ? undefined : VALUES.get(word);
  if (value === undefined && !none) {
    const stored = (await getFeature(call, name, FEATURE.enforce)) ?? null;
    return { command: 'enforce', action: 'show', netvm: name, ...stateOf(stored), ...TOLD_NOTHING };
  }
  // Before it is believed: what it is to believe.
  const told = value === '1' ? await tellNetvms(call, 'all') : TOLD_NOTHING;
  if (value === undefined) await removeFeature(call, name, FEATURE.enforce);
  else await setFeature(call, name, FEATURE.enforce, value);
  return {
    ...{ command: 'enforce', action: none ? 'remove' : 'set', netvm: name, ...stateOf(value ?? null) },
    ...told,
    notes: [...told.notes.filter((note) => !note.startsWith(`${name}: `)), ...notesOnStart(netvm)],
  };
}

function stateOf(value: string | null): { readonly enforce: boolean; readonly value: string | null } {
  return { enforce: value === '1', value };
}
