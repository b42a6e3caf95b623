// Owns what qubesd writes into the QubesDB of a qube, and the limits at which that fails.
import type { Qubes } from './machine-qubes.js';
import { AdminFault, type Qube } from './machine-types.js';

const PREFIX = 'vm-config.';
const MAX_NAME = 52;
const MAX_PATH = 63;
const MAX_VALUE = 3071;

/** Everything that a qube finds in its QubesDB when it starts, or again after a change of its netvm. */
export function exportAll(machine: Qubes, qube: Qube): void {
  for (const [path, value] of baseEntries(machine, qube)) write(qube, path, value);
  for (const [feature, value] of qube.features) {
    if (feature.startsWith(PREFIX)) write(qube, pathOf(feature), value);
  }
}

/**
 * The vm-config extension of qubesd at a Set: it checks the name only now, after the value was stored.
 * @throws AdminFault for a bad name; Error when QubesDB refuses, which qubesd does not catch
 */
export function exportFeature(qube: Qube, feature: string, value: string): void {
  if (!feature.startsWith(PREFIX)) return;
  const name = feature.slice(PREFIX.length);
  if (name === '') throw new AdminFault('QubesValueError', 'Empty config name not allowed');
  if (!/^[A-Za-z]/.test(name)) {
    throw new AdminFault('QubesValueError', 'Config name must start with an ASCII letter');
  }
  if (name.length > MAX_NAME) {
    throw new AdminFault('QubesValueError', 'VM config name must not exceed 46 bytes');
  }
  if (qube.state === 'Running') write(qube, pathOf(feature), value);
}

/** The same extension at a Remove: no check of the name. @throws Error when QubesDB refuses the path */
export function unexportFeature(qube: Qube, feature: string): void {
  if (!feature.startsWith(PREFIX) || qube.state !== 'Running') return;
  assertPath(pathOf(feature));
  qube.qubesdb?.remove(pathOf(feature));
}

/** Tells a NetVM the addresses of the qubes that are configured to use it, halted ones too. */
export function exportClients(machine: Qubes, netvm: Qube): void {
  if (netvm.state !== 'Running') return;
  const clients = machine.qubes().filter((qube) => machine.netvmOf(qube) === netvm.name);
  write(netvm, '/connected-ips', joinAddresses(clients.map((qube) => qube.ip)));
  write(netvm, '/connected-ips6', joinAddresses(clients.map((qube) => qube.ip6)));
}

function baseEntries(machine: Qubes, qube: Qube): [string, string][] {
  const entries: [string, string][] = [
    ['/name', qube.name],
    ['/type', qube.class],
    ['/qubes-vm-type', vmType(machine, qube)],
    ['/qubes-base-template', qube.template ?? ''],
    ['/qubes-vm-persistence', qube.template === null ? 'full' : 'rw-only'],
  ];
  const gateway = machine.netvmOf(qube);
  if (gateway !== null) {
    entries.push(['/qubes-ip', qube.ip], ['/qubes-gateway', machine.qube(gateway).ip]);
    if (qube.ip6 !== '') entries.push(['/qubes-ip6', qube.ip6]);
  }
  return entries;
}

function vmType(machine: Qubes, qube: Qube): string {
  if (qube.class === 'TemplateVM') return 'TemplateVM';
  if (qube.providesNetwork !== true) return 'AppVM';
  return machine.netvmOf(qube) === null ? 'NetVM' : 'ProxyVM';
}

function write(qube: Qube, path: string, value: string): void {
  if (qube.class === 'RemoteVM') throw new Error(`${qube.name} has no QubesDB`);
  assertPath(path);
  if (value.length > MAX_VALUE) throw new Error(`QubesDB refuses a value of ${value.length} bytes`);
  qube.qubesdb?.write(path, value);
}

function assertPath(path: string): void {
  if (path.length > MAX_PATH) throw new Error(`QubesDB refuses a path of ${path.length} bytes`);
}

function pathOf(feature: string): string {
  return `/vm-config/${feature.slice(PREFIX.length)}`;
}

function joinAddresses(addresses: readonly string[]): string {
  return addresses.filter((address) => address !== '').join(' ');
}
