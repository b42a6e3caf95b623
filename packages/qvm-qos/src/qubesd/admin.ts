// Owns what qvm-qos asks of the Admin API about qubes, as typed functions over any way to send a request.
import { QosError } from '@qubes-qos/core/errors';
import { AdminException, type AdminEvent, type AdminRequest } from './codec.js';

/** Sends one request and returns the content of its reply. */
export type AdminCall = (request: AdminRequest) => Promise<string>;

/** The Admin API, whatever way it is reached. */
export interface Admin {
  readonly call: AdminCall;
  /** Ends when the signal is aborted, or the other side closes: then whoever asked must read everything again. */
  readonly events: (destination: string, signal: AbortSignal) => AsyncIterable<AdminEvent>;
}

/** One qube as qubesd lists it. */
export interface ListedQube {
  readonly name: string;
  /** `AppVM`, `AdminVM`, … */
  readonly klass: string;
  /** `Running`, `Halted`, `Paused`, … */
  readonly state: string;
}

/** dom0: the machine as a whole, where it is a destination. */
export const ADMIN_VM = 'dom0';

/** All qubes, dom0 first, or the one. @throws QosError('protocol') for a line that is no qube */
export async function listQubes(call: AdminCall, destination = ADMIN_VM): Promise<ListedQube[]> {
  const content = await call({ method: 'admin.vm.List', destination });
  return linesOf(content).map(parseQube);
}

/** All qubes that are on this machine: the packets of a RemoteVM are sent by another. */
export async function listLocalQubes(call: AdminCall): Promise<ListedQube[]> {
  return (await listQubes(call)).filter(isLocal);
}

/** False for a RemoteVM. */
export function isLocal({ klass }: ListedQube): boolean {
  return klass !== 'RemoteVM';
}

/** The tags of a qube. */
export async function listTags(call: AdminCall, qube: string): Promise<string[]> {
  return linesOf(await call({ method: 'admin.vm.tag.List', destination: qube }));
}

/** The name of the template that the qube is based on; undefined for none. */
export async function getTemplate(call: AdminCall, qube: string): Promise<string | undefined> {
  const template = await getProperty(call, qube, 'template');
  return template === '' ? undefined : template;
}

/** True when other qubes can use it as their netvm. */
export async function providesNetwork(call: AdminCall, qube: string): Promise<boolean> {
  return (await getProperty(call, qube, 'provides_network')) === 'True';
}

/** The properties that say where a qube is in the network. */
export interface NetworkProperties {
  readonly netvm: string | undefined;
  /** Empty for none. */
  readonly ip: string;
  readonly ip6: string;
  readonly providesNetwork: boolean;
}

const NETWORK = ['netvm', 'ip', 'ip6', 'provides_network'] as const;

/**
 * Reads them in one request, or one by one where the policy of qrexec allows no admin.vm.property.GetAll.
 * dom0 has none of them.
 */
export async function getNetworkProperties(call: AdminCall, qube: string): Promise<NetworkProperties> {
  const values = await readAllProperties(call, qube).catch(async (error: unknown) => {
    if (!(error instanceof QosError) || error.kind !== 'refused') throw error;
    const read = async (name: string): Promise<[string, string]> => [
      name,
      (await getProperty(call, qube, name)) ?? '',
    ];
    return new Map(await Promise.all(NETWORK.map(read)));
  });
  const netvm = values.get('netvm') ?? '';
  return {
    netvm: netvm === '' ? undefined : netvm,
    ip: values.get('ip') ?? '',
    ip6: values.get('ip6') ?? '',
    providesNetwork: values.get('provides_network') === 'True',
  };
}

/** `ip default=True type=str 10.137.0.5`, one line for each; of the values that are used none has escapes. */
async function readAllProperties(call: AdminCall, qube: string): Promise<Map<string, string>> {
  const lines = linesOf(await call({ method: 'admin.vm.property.GetAll', destination: qube }));
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [, name, value] = /^(\S+) default=\S+ type=\S+ (.*)$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value]];
    }),
  );
}

/** `default=True type=vm sys-firewall`; undefined for a property that this class of qube lacks. */
async function getProperty(call: AdminCall, qube: string, property: string): Promise<string | undefined> {
  const content = await unlessRaised('QubesNoSuchPropertyError', () =>
    call({ method: 'admin.vm.property.Get', argument: property, destination: qube }),
  );
  if (content === undefined) return undefined;
  const match = /^default=\S+ type=\S+ (.*)$/s.exec(content);
  if (!match)
    throw new QosError('protocol', `qubesd sent no property ${property} for ${qube} that can be read.`);
  return match[1] ?? '';
}

/** The result of the action; undefined when qubesd raised an exception of this type. */
export async function unlessRaised<Result>(
  type: string,
  action: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof AdminException && error.type === type) return undefined;
    throw error;
  }
}

/** `work class=AppVM state=Running uuid=…`; keys that a later qubesd adds are skipped. */
function parseQube(line: string): ListedQube {
  const [name = '', ...pairs] = line.split(' ');
  const values = new Map(pairs.map((pair) => [pair.split('=')[0], pair.slice(pair.indexOf('=') + 1)]));
  const klass = values.get('class');
  const state = values.get('state');
  if (name === '' || klass === undefined || state === undefined) {
    throw new QosError('protocol', `qubesd listed a qube without a name, class or state.`);
  }
  return { name, klass, state };
}

/** The lines of a reply that are not empty. */
export function linesOf(content: string): string[] {
  return content.split('\n').filter((line) => line !== '');
}
