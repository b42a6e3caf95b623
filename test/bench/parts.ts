// Owns the parts of the bench: each is one guest.
import { SCENES } from './scenes.js';

/** Name -> what it measures, in the order of the page. */
export const PARTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(SCENES).map(([name, scenes]) => [name, scenes.map(({ title }) => title).join('; ')]),
  ),
  vif: 'What unshaped bands cost on the interfaces of a NetVM',
  reapply: 'Packets lost when the agent applies again',
  reconcile: 'Processes and time of a pass, by the number of vifs',
  resident: 'Memory of the resident agent, and how often it wakes',
  start: 'How long the programs take to start',
};

/** The parts in the order in which they are started: the longest first, so that two at a time end together. */
export const BY_LENGTH: readonly string[] = [
  ...['mix-10', 'call', 'resident', 'everything', 'firewall', 'wireguard', 'mix-1', 'flood'],
  ...Object.keys(PARTS),
].filter((name, index, all) => all.indexOf(name) === index);
