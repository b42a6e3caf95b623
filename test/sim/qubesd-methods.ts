// Owns the methods of the Admin API: what each demands of its request, and the text of its reply.
import type { MachineModel } from './machine.js';
import { AdminFault, type Qube } from './machine-types.js';
import {
  getAllGlobalProperties,
  getAllProperties,
  getGlobalProperty,
  getProperty,
  listProperties,
} from './qubesd-properties.js';

/** One request after its framing was taken apart; the payload is text, one byte a character. */
interface MethodCall {
  readonly method: string;
  readonly argument: string;
  readonly destination: Qube;
  readonly payload: string;
}

type Handler = (machine: MachineModel, call: MethodCall) => string;

interface Method {
  readonly argument?: 'required';
  readonly payload?: 'allowed';
  readonly onlyDom0?: true;
  readonly run: Handler;
}

const LABELS = ['red', 'orange', 'yellow', 'green', 'gray', 'blue', 'purple', 'black'];

const METHODS = new Map<string, Method>([
  ['admin.vm.List', { run: listQubes }],
  ['admin.vm.CurrentState', { run: currentState }],
  ['admin.vm.feature.List', { run: (_, call) => lines(call.destination.features.keys()) }],
  ['admin.vm.feature.Get', { argument: 'required', run: getFeature }],
  ['admin.vm.feature.Set', { argument: 'required', payload: 'allowed', run: setFeature }],
  ['admin.vm.feature.Remove', { argument: 'required', run: removeFeature }],
  ['admin.vm.feature.CheckWithNetvm', { argument: 'required', run: (m, c) => checkAlong(m, c, nextNetvm) }],
  [
    'admin.vm.feature.CheckWithTemplate',
    { argument: 'required', run: (m, c) => checkAlong(m, c, nextTemplate) },
  ],
  ['admin.vm.property.List', { run: (machine, call) => listProperties(machine, call.destination) }],
  [
    'admin.vm.property.Get',
    { argument: 'required', run: (m, c) => getProperty(m, c.destination, c.argument) },
  ],
  ['admin.vm.property.GetAll', { run: (machine, call) => getAllProperties(machine, call.destination) }],
  ['admin.vm.property.Set', { argument: 'required', payload: 'allowed', run: setProperty }],
  ['admin.vm.property.Reset', { argument: 'required', run: resetProperty }],
  ['admin.vm.tag.List', { run: (_, call) => lines([...call.destination.tags].sort()) }],
  [
    'admin.vm.tag.Get',
    { argument: 'required', run: (_, c) => (c.destination.tags.has(tagOf(c)) ? '1' : '0') },
  ],
  [
    'admin.vm.tag.Set',
    { argument: 'required', run: (m, c) => done(() => m.addTag(c.destination.name, tagOf(c))) },
  ],
  [
    'admin.vm.tag.Remove',
    { argument: 'required', run: (m, c) => done(() => m.removeTag(c.destination.name, tagOf(c))) },
  ],
  ['admin.vm.Start', { run: (m, c) => done(() => m.start(c.destination.name)) }],
  ['admin.vm.Shutdown', { run: (m, c) => done(() => m.shutdown(c.destination.name)) }],
  ['admin.label.List', { onlyDom0: true, run: () => lines(LABELS) }],
  [
    'admin.property.Get',
    { argument: 'required', onlyDom0: true, run: (m, c) => getGlobalProperty(m, c.argument) },
  ],
  ['admin.property.GetAll', { onlyDom0: true, run: (machine) => getAllGlobalProperties(machine) }],
]);

/** Carries out one request and returns the content of the reply. @throws AdminFault, or Error for what qubesd does not catch */
export function callMethod(machine: MachineModel, call: MethodCall): string {
  const method = METHODS.get(call.method);
  if (!method) throw new AdminFault('ProtocolError', `no such method: '${call.method}'`);
  if (method.onlyDom0 && call.destination.class !== 'AdminVM') {
    throw new AdminFault('ProtocolError', 'expected destination to be AdminVM');
  }
  if (method.argument === 'required' && call.argument === '') {
    throw new AdminFault('ProtocolError', 'expected an argument');
  }
  if (method.argument === undefined && call.argument !== '') {
    throw new AdminFault('ProtocolError', 'unexpected argument');
  }
  if (method.payload === undefined && call.payload !== '') {
    throw new AdminFault('ProtocolError', 'unexpected payload');
  }
  return method.run(machine, call);
}

function listQubes(machine: MachineModel, { destination }: MethodCall): string {
  const qubes = destination.class === 'AdminVM' ? machine.qubes() : [destination];
  return qubes
    .map((qube) => `${qube.name} class=${qube.class} state=${qube.state} uuid=${qube.uuid}\n`)
    .join('');
}

function currentState(_: MachineModel, { destination }: MethodCall): string {
  return `mem=0 mem_static_max=0 cputime=0 power_state=${destination.state}`;
}

function getFeature(machine: MachineModel, call: MethodCall): string {
  return machine.feature(call.destination, call.argument);
}

function setFeature(machine: MachineModel, { destination, argument, payload }: MethodCall): string {
  if (!/^[A-Za-z0-9_.-]+$/.test(argument)) {
    throw new AdminFault('ProtocolError', 'feature name contains illegal characters');
  }
  if (!/^[\x00-\x7f]*$/.test(payload)) {
    throw new AdminFault('ProtocolError', 'Feature value contains non-ASCII characters');
  }
  if (!/^[ -~]*$/.test(payload)) {
    throw new AdminFault('ProtocolError', `${argument} value contains illegal characters`);
  }
  return done(() => machine.setFeature(destination.name, argument, payload));
}

function removeFeature(machine: MachineModel, { destination, argument }: MethodCall): string {
  return done(() => machine.removeFeature(destination.name, argument));
}

function checkAlong(
  machine: MachineModel,
  { destination, argument }: MethodCall,
  next: (machine: MachineModel, qube: Qube) => string | null,
): string {
  for (let name: string | null = destination.name; name !== null; name = next(machine, machine.qube(name))) {
    const value = machine.qube(name).features.get(argument);
    if (value !== undefined) return value;
  }
  return machine.feature(destination, argument);
}

function nextNetvm(machine: MachineModel, qube: Qube): string | null {
  return machine.netvmOf(qube);
}

function nextTemplate(_: MachineModel, qube: Qube): string | null {
  return qube.template;
}

function setProperty(machine: MachineModel, { destination, argument, payload }: MethodCall): string {
  if (argument === 'netvm')
    return done(() => machine.setNetvm(destination.name, payload === '' ? null : payload));
  if (argument === 'label') return done(() => machine.setLabel(destination.name, payload));
  throw new Error(`this simulator does not set the property ${argument}`);
}

function resetProperty(machine: MachineModel, { destination, argument }: MethodCall): string {
  if (argument === 'netvm') return done(() => machine.resetNetvm(destination.name));
  throw new Error(`this simulator does not reset the property ${argument}`);
}

function tagOf({ argument }: MethodCall): string {
  if (/^[A-Za-z0-9_-]+$/.test(argument)) return argument;
  throw new AdminFault('QubesInvalidTagError', 'disallowed characters');
}

function done(action: () => void): string {
  action();
  return '';
}

function lines(items: Iterable<string>): string {
  return [...items].map((item) => `${item}\n`).join('');
}
