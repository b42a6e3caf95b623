// Owns dom0's word at the first hop, as the checks need it: said, waited for, and disobeyed by root in a qube.
import { parseClientPolicy } from '@qubes-qos/core/client-policy';
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import { readHooks } from '@qubes-qos/core/tc/hooks/read';
import { enforceHooks } from '@qubes-qos/tc-agent/enforce';
import { counters } from './measure.js';
import { inQubeWith } from './namespaces.js';
import { labQube, SERVER, vifName } from './qubes.js';
import { sleep, until } from './run.js';
import type { Lab } from './topology.js';
import { python, sendFlow, type Family } from './traffic.js';

export const FAMILIES: readonly Family[] = ['ip', 'ip6'];

const PACKETS = 400;
const BANDS = ['ef', 'cs5', 'cs0', 'cs2', 'cs1'] as const;
/** An agent that starts, in a guest on a busy host. */
const PATIENCE_MS = 60_000;
const MS = 1_000_000;

/** The feature by which a NetVM is told of a client. */
export function clientFeature(client: string): string {
  return `vm-config.qos.${labQube(client).ip}`;
}

/** Tells sys-firewall of its clients, as `qvm-qos` does, and has dom0 believed. */
export function enforce(lab: Lab, clients: Readonly<Record<string, string>>): void {
  for (const [client, value] of Object.entries(clients))
    lab.machine.setFeature('sys-firewall', clientFeature(client), value);
  lab.machine.setFeature('sys-firewall', 'vm-config.qos-enforce', '1');
}

/**
 * Waits until the vif of a client has the filters that belong to this word of dom0, `''` for none.
 * @param vif - of another name than the client's own.
 */
export async function untilEnforced(client: string, said: string, vif?: string): Promise<void> {
  const { netvm = '' } = labQube(client);
  await until(
    `${netvm} enforces "${said}" for ${client}`,
    () => isEnforced(netvm, vif ?? vifName(labQube(client)), said),
    PATIENCE_MS,
  );
}

/** True when a vif has exactly the filters of this word of dom0. */
export async function isEnforced(netvm: string, vif: string, said: string): Promise<boolean> {
  const hooks = enforceHooks(parseClientPolicy(said).policy);
  const argv = ['tc', '-j', 'filter', 'show', 'dev', vif, 'ingress'];
  const { stdout } = await inQubeWith({ okCodes: [0, 1, 2] }, netvm, ...argv);
  const ingress = stdout.trim() === '' ? [] : (JSON.parse(stdout) as unknown[]);
  return diffHooks(hooks, readHooks('clsact', { ingress, egress: [] })).length === 0;
}

/** Root in the qube marks all it sends, after whatever our agent there does. */
export async function marksAsItsRootLikes(qube: string, dscp: number): Promise<void> {
  const rules = `ip dscp set ${dscp}; ip6 dscp set ${dscp};`;
  const chain = `chain out { type filter hook postrouting priority 300; ${rules} }`;
  const script = `table inet forged\ndelete table inet forged\ntable inet forged {\n${chain}\n}\n`;
  await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
}

/** The bands of sys-net's card that carried a flow of some hundred packets. */
export async function bandsOfFlow(qube: string, family: Family, packets = PACKETS): Promise<string[]> {
  const before = await counters();
  await sendFlow(qube, family, packets);
  await sleep(300);
  const after = await counters();
  const rose = after.bands.map((bytes, band) => bytes - before.bands[band]!);
  // Neighbour discovery is in the default band, and may cost the flow a packet.
  return BANDS.filter((_, band) => rose[band]! > 20 * 200);
}

/** One flow of a mix. */
export interface Flow {
  readonly family: Family;
  /** At the server, one of SWALLOW_PORTS: by it the flow is known at sys-net's card. */
  readonly port: number;
  readonly dscp: number;
  /** A forged address. */
  readonly source?: string;
}

/** A flow of each family to this port, with this DSCP. */
export function flows(port: number, dscp: number): Flow[] {
  return FAMILIES.map((family) => ({ family, port, dscp }));
}

export interface MixOptions {
  readonly packets: number;
  readonly intervalMs: number;
  /** Payload, bytes; above 1400 each datagram is a super-packet. */
  readonly bytes?: number;
}

/** Sends as many packets on each flow, from programs of the qube's root. It ends by itself, whatever happens to the network. */
export async function sendMix(qube: string, flows: readonly Flow[], options: MixOptions): Promise<void> {
  const from = BigInt(Date.now()) * BigInt(MS) + 500_000_000n;
  const words = flows.map(({ family, port, dscp, source }) =>
    [SERVER[family], port, dscp, ...(source === undefined ? [] : [source])].join('/'),
  );
  const { packets, intervalMs, bytes = 160 } = options;
  await python(qube, 'mix', from, packets, Math.round(intervalMs * MS), bytes, ...words);
}
