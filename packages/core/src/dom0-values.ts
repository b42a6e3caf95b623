// Owns what dom0 says to the tc agent: the values below `/vm-config/` that concern it, by name.
import { isIpv4 } from './addresses.js';
import { parseClientPolicy, type ClientPolicy } from './client-policy.js';
import { QosError } from './errors.js';
import { parseOverhead } from './overhead.js';
import { quote } from './quote.js';
import { isSchedulerName, schedulerFault, type SchedulerName } from './scheduler-names.js';
import { parseUplinkPolicy, type LineRate, type UplinkPolicy } from './uplink-policy.js';
import { CLIENT_PREFIX, VM_CONFIG, VM_CONFIG_FEATURE_PREFIX } from './vm-config.js';

/** Values of dom0 by name: what is below `/vm-config/` and concerns the tc agent. */
export type Dom0Values = Readonly<Record<string, string>>;

/** Settings of the line that dom0 can make. */
export interface UplinkSettings {
  readonly up?: LineRate;
  readonly down?: LineRate;
  readonly scheduler?: SchedulerName;
  readonly overhead?: string;
}

/** The feature that the settings of the line come from. */
export const UPLINK_SOURCE = `${VM_CONFIG_FEATURE_PREFIX}${VM_CONFIG.uplink}`;

/**
 * What the values of dom0 say, each with warnings that name its feature. Names that are none of ours are passed over.
 * @throws QosError('policy') for the first value that is invalid.
 */
export function readDom0Values(values: Dom0Values): {
  readonly uplink: UplinkSettings;
  readonly clients: ReadonlyMap<string, ClientPolicy>;
  readonly enforce: boolean;
  readonly warnings: readonly string[];
} {
  let uplink: UplinkSettings = {};
  let enforce = false;
  const clients = new Map<string, ClientPolicy>();
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    const source = `${VM_CONFIG_FEATURE_PREFIX}${name}`;
    const client = clientOf(name);
    if (name === VM_CONFIG.uplink) {
      const reading = parseUplinkPolicy(value);
      uplink = settingsOfPolicy(reading.policy);
      warnings.push(...reading.warnings.map((text) => `${source}: ${text}`));
    } else if (name === VM_CONFIG.enforce) {
      enforce = parseEnforce(value);
    } else if (client !== undefined) {
      const reading = parseClientPolicy(value);
      clients.set(client, reading.policy);
      warnings.push(...reading.warnings.map((text) => `${source}: ${text}`));
    }
  }
  return { uplink, clients, enforce, warnings };
}

/** `1`, or `0` and nothing for what is not there. @throws QosError('policy') */
export function parseEnforce(value: string): boolean {
  if (value === '1') return true;
  if (value === '0' || value === '') return false;
  throw new QosError('policy', `${quote(value)}: expected 1, to believe dom0 about the clients, or 0.`);
}

/** The client that a value is about, by its address. @throws QosError('policy') when there is no address. */
function clientOf(name: string): string | undefined {
  if (!name.startsWith(CLIENT_PREFIX)) return undefined;
  const address = name.slice(CLIENT_PREFIX.length);
  if (isIpv4(address)) return address;
  throw new QosError('policy', `${quote(name)}: expected an IPv4 address after ${CLIENT_PREFIX}.`);
}

/** @throws QosError('policy') for a scheduler or an overhead that there is not. */
function settingsOfPolicy({ up, down, scheduler, overhead }: UplinkPolicy): UplinkSettings {
  if (scheduler !== undefined && !isSchedulerName(scheduler))
    throw new QosError('policy', `${schedulerFault(scheduler)}.`);
  if (overhead !== undefined) parseOverhead(overhead);
  return {
    ...(up === undefined ? {} : { up }),
    ...(down === undefined ? {} : { down }),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(overhead === undefined ? {} : { overhead }),
  };
}
