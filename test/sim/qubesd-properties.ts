// Owns the properties of qubes and of the machine as qubesd 4.4 lists them: order, types and defaults.
import type { MachineModel } from './machine.js';
import { AdminFault, type Qube } from './machine-types.js';

interface Property {
  readonly name: string;
  readonly type: 'bool' | 'int' | 'str' | 'vm' | 'label';
  readonly value: string;
  readonly isDefault: boolean;
}

const IN_DOM0 = [
  ...['devices_denied', 'icon', 'include_in_backups', 'keyboard_layout', 'klass', 'label', 'maxmem', 'name'],
  ...['qid', 'updateable', 'uuid', 'default_dispvm'],
];

/** `default=True type=vm sys-firewall`. @throws AdminFault for a property that the qube lacks */
export function getProperty(machine: MachineModel, qube: Qube, name: string): string {
  const property = propertiesOf(machine, qube).find((candidate) => candidate.name === name);
  if (!property)
    throw new AdminFault('QubesNoSuchPropertyError', `Invalid property '${name}' of ${qube.name}`);
  return show(property);
}

/** One line `NAME default=… type=… VALUE` for each. */
export function getAllProperties(machine: MachineModel, qube: Qube): string {
  return propertiesOf(machine, qube)
    .map((property) => `${property.name} ${escapeLine(show(property))}\n`)
    .join('');
}

/** One name a line. */
export function listProperties(machine: MachineModel, qube: Qube): string {
  return propertiesOf(machine, qube)
    .map(({ name }) => `${name}\n`)
    .join('');
}

/** The properties of the machine as a whole. @throws AdminFault for one that does not exist */
export function getGlobalProperty(machine: MachineModel, name: string): string {
  const property = globalProperties(machine).find((candidate) => candidate.name === name);
  if (!property) throw new AdminFault('QubesNoSuchPropertyError', `Invalid property '${name}' of app`);
  return show(property);
}

/** One line `NAME default=… type=… VALUE` for each property of the machine. */
export function getAllGlobalProperties(machine: MachineModel): string {
  return globalProperties(machine)
    .map((property) => `${property.name} ${escapeLine(show(property))}\n`)
    .join('');
}

function show({ isDefault, type, value }: Property): string {
  return `default=${isDefault ? 'True' : 'False'} type=${type} ${value}`;
}

function escapeLine(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function propertiesOf(machine: MachineModel, qube: Qube): Property[] {
  const isAdmin = qube.class === 'AdminVM';
  const all = [...identity(machine, qube), ...relations(machine, qube)];
  return isAdmin ? all.filter(({ name }) => IN_DOM0.includes(name)) : all;
}

function identity(machine: MachineModel, qube: Qube): Property[] {
  const isAdmin = qube.class === 'AdminVM';
  const netvm = machine.netvmOf(qube);
  const address = netvm === null && qube.providesNetwork !== true ? '' : qube.ip;
  const gateway = netvm === null ? '' : machine.qube(netvm).ip;
  return [
    preset('autostart', 'bool', 'False'),
    preset('backup_timestamp', 'int', ''),
    preset('debug', 'bool', 'False'),
    preset('default_user', 'str', 'user'),
    preset('devices_denied', 'str', ''),
    preset('dns', 'str', netvm === null ? '' : '10.139.1.1 10.139.1.2'),
    preset('gateway', 'str', qube.providesNetwork === true ? qube.ip : ''),
    preset('gateway6', 'str', qube.providesNetwork === true ? qube.ip6 : ''),
    preset('icon', 'str', `${isAdmin ? 'adminvm' : 'appvm'}-${qube.label}`),
    preset('include_in_backups', 'bool', 'True'),
    preset('installed_by_rpm', 'bool', 'False'),
    preset('ip', 'str', address),
    preset('ip6', 'str', address === '' ? '' : qube.ip6),
    preset('kernel', 'str', '1.0'),
    preset('keyboard_layout', 'str', 'us++'),
    preset('klass', 'str', qube.class),
    chosen('label', 'label', qube.label),
    preset('mac', 'str', '00:16:3e:5e:6c:00'),
    preset('maxmem', 'int', isAdmin ? '4096' : '4000'),
    preset('memory', 'int', '400'),
    isAdmin ? preset('name', 'str', qube.name) : chosen('name', 'str', qube.name),
    qube.providesNetwork === undefined
      ? preset('provides_network', 'bool', 'False')
      : chosen('provides_network', 'bool', qube.providesNetwork ? 'True' : 'False'),
    isAdmin ? preset('qid', 'int', '0') : chosen('qid', 'int', String(qube.qid)),
    preset('qrexec_timeout', 'int', '60'),
    preset('shutdown_timeout', 'int', '60'),
    preset('start_time', 'str', ''),
    preset('stubdom_mem', 'int', ''),
    preset('stubdom_uuid', 'str', ''),
    preset('stubdom_xid', 'int', '-1'),
    preset('template_for_dispvms', 'bool', 'False'),
    preset('updateable', 'bool', isAdmin || qube.class === 'TemplateVM' ? 'True' : 'False'),
    isAdmin ? preset('uuid', 'str', qube.uuid) : chosen('uuid', 'str', qube.uuid),
    preset('vcpus', 'int', '2'),
    preset('virt_mode', 'str', 'pvh'),
    preset('visible_gateway', 'str', gateway),
    preset('visible_gateway6', 'str', netvm === null ? '' : machine.qube(netvm).ip6),
    preset('visible_ip', 'str', address),
    preset('visible_ip6', 'str', address === '' ? '' : qube.ip6),
    preset('visible_netmask', 'str', netvm === null ? '' : '255.255.255.255'),
    preset('xid', 'int', String(qube.xid)),
  ];
}

function relations(machine: MachineModel, qube: Qube): Property[] {
  return [
    preset('audiovm', 'vm', 'dom0'),
    preset('bootmode', 'str', 'default'),
    preset('default_dispvm', 'vm', 'default-dvm'),
    preset('guivm', 'vm', 'dom0'),
    preset('kernelopts', 'str', 'swiotlb=2048'),
    preset('management_dispvm', 'vm', ''),
    qube.netvm === undefined
      ? preset('netvm', 'vm', machine.netvmOf(qube) ?? '')
      : chosen('netvm', 'vm', qube.netvm ?? ''),
    chosen('template', 'vm', qube.template ?? ''),
  ];
}

function globalProperties(machine: MachineModel): Property[] {
  return [
    preset('check_updates_vm', 'bool', 'True'),
    chosen('clockvm', 'vm', ''),
    preset('default_audiovm', 'vm', 'dom0'),
    chosen('default_dispvm', 'vm', 'default-dvm'),
    preset('default_guivm', 'vm', 'dom0'),
    chosen('default_kernel', 'str', '1.0'),
    chosen('default_netvm', 'vm', machine.defaultNetvm ?? ''),
    chosen('default_pool', 'str', 'varlibqubes'),
    chosen('default_pool_kernel', 'str', 'linux-kernel'),
    preset('default_pool_private', 'str', 'varlibqubes'),
    preset('default_pool_root', 'str', 'varlibqubes'),
    preset('default_pool_volatile', 'str', 'varlibqubes'),
    preset('default_qrexec_timeout', 'int', '60'),
    preset('default_shutdown_timeout', 'int', '60'),
    chosen('default_template', 'vm', 'fedora-42'),
    preset('management_dispvm', 'vm', ''),
    preset('maxmem', 'int', '18014398509481983'),
    preset('no_cpus', 'int', '42'),
    preset('stats_interval', 'int', '3'),
    preset('updatevm', 'vm', ''),
  ];
}

function preset(name: string, type: Property['type'], value: string): Property {
  return { name, type, value, isDefault: true };
}

function chosen(name: string, type: Property['type'], value: string): Property {
  return { name, type, value, isDefault: false };
}
