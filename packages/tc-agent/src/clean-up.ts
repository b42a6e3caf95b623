// Owns the removal of everything of ours.
import { QosError } from '@qubes-qos/core/errors';
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import type { DeviceOps, Op } from '@qubes-qos/core/tc/model';
import { renderTc } from '@qubes-qos/core/tc/render';
import { deleteIfbs } from '@qubes-qos/host/ifb';
import { observeNetwork } from '@qubes-qos/host/links';
import { convergeTable } from '@qubes-qos/host/nft';
import { applyTc, observeTc } from '@qubes-qos/host/tc';
import { isOurIfb } from './download.js';
import { keepNewVifs } from './new-vif.js';
import { interfaceNames } from './roles.js';
import { TC_TABLE } from './tables.js';

/** Removes everything of ours from the network, and what new vifs would get. @returns the interfaces that had something. */
export async function cleanUp(): Promise<string[]> {
  const { links } = await observeNetwork();
  const observed = await observeTc(interfaceNames(links));
  const removals = [...observed].map(([ifname, device]): DeviceOps => {
    const root: Op[] = device.state === 'ours' ? [{ op: 'delete-root' }] : [];
    return { ifname, side: '5', ops: [...diffHooks([], device.hooks), ...root] };
  });
  const ours = removals.filter(({ ops }) => ops.length > 0).map(({ ifname }) => ifname);
  const failures = await applyTc(renderTc(removals));
  const left = await observeTc(ours);
  const stuck = [...left].filter(([, { state, hooks }]) => state === 'ours' || hooks.ours.length > 0);
  if (stuck.length > 0) {
    const names = stuck.map(([ifname]) => ifname);
    const said = failures.find(({ ifname }) => names.includes(ifname))?.message ?? 'tc reported no error';
    throw new QosError('command', `cannot remove our qdiscs from ${names.join(', ')}: ${said}.`);
  }
  const ifbs = links.filter(isOurIfb).map(({ ifname }) => ifname);
  await deleteIfbs(ifbs);
  await convergeTable(TC_TABLE, undefined);
  await keepNewVifs(false);
  return [...new Set([...ours, ...ifbs])];
}
