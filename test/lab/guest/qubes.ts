// Owns which qubes the little Qubes has, and their addresses: as qubesd gives them, by the number of the qube.

export interface LabQube {
  readonly name: string;
  /** Number of the Xen domain: it names the vif in the NetVM and gives the metric of the route. */
  readonly domid: number;
  readonly ip: string;
  readonly ip6: string;
  /** The MAC of eth0. */
  readonly mac: string;
  /** Through which qube it reaches the Internet; undefined for the one with the network card. */
  readonly netvm: string | undefined;
  readonly providesNetwork: boolean;
}

/** Those that there are from the start, in the order in which they start: the NetVM of a qube comes before it. */
export const QUBES: readonly LabQube[] = [
  qube('sys-net', 1, 5, undefined, true),
  qube('sys-firewall', 2, 6, 'sys-net', true),
  qube('work', 3, 11, 'sys-firewall'),
  qube('personal', 4, 12, 'sys-firewall'),
  qube('untrusted', 5, 13, 'sys-firewall'),
];

/** With one ProxyVM more, which the clients are connected to. */
export const LONG_CHAIN: readonly LabQube[] = [
  ...QUBES.slice(0, 2),
  qube('sys-proxy', 6, 7, 'sys-firewall', true),
  ...QUBES.slice(2).map((client) => ({ ...client, netvm: 'sys-proxy' })),
];

/** Those of this guest by name, as they are now: it has one lab. */
const present = new Map(QUBES.map((entry) => [entry.name, entry]));

/** Makes a lab one of other qubes; before anything asks for them. */
export function choosePresent(qubes: readonly LabQube[]): void {
  present.clear();
  for (const entry of qubes) present.set(entry.name, entry);
}

/** The network card of sys-net: interface group 0. */
export const NIC = 'ens6';

/** What is behind the card: the modem in the house, the provider 10 ms away, and a server. */
export const OUTSIDE = ['modem', 'isp', 'internet'] as const;

/** The addresses of the server. */
export const SERVER = { ip: '203.0.113.10', ip6: '2001:db8:ff::10' } as const;

/** The UDP port of the server that takes everything and answers nothing. */
export const SWALLOW_PORT = 9001;

/** Further ones, for flows that are to be told apart: from the first to the last. */
export const SWALLOW_PORTS = [20_000, 20_999] as const;

/** Every namespace of a lab of these qubes. */
export function namespacesOf(qubes: readonly LabQube[]): string[] {
  return ['dom0', ...qubes.map((entry) => entry.name), ...OUTSIDE];
}

/** Every namespace of the usual lab. */
export const NAMESPACES: readonly string[] = namespacesOf(QUBES);

/** A qube of the lab by name, as it is now. */
export function labQube(name: string): LabQube {
  const found = present.get(name);
  if (found === undefined)
    throw new Error(`the lab has no qube ${name}: expected ${[...present.keys()].join(', ')}.`);
  return found;
}

/** Makes a qube known, or another than it was: each start gives it a new domain, and its netvm may change. */
export function putLabQube(entry: LabQube): void {
  present.set(entry.name, entry);
}

/** Has a qube forgotten. */
export function dropLabQube(name: string): void {
  present.delete(name);
}

/** The name of a client's interface in its NetVM. */
export function vifName(client: LabQube): string {
  return `vif${client.domid}.0`;
}

/** A qube with the addresses that qubesd gives to this number. */
export function qube(
  name: string,
  domid: number,
  number: number,
  netvm: string | undefined,
  providesNetwork = false,
): LabQube {
  const hex = number.toString(16);
  return {
    name,
    domid,
    ip: `10.137.0.${number}`,
    ip6: `fd09:24ef:4179::a89:${hex}`,
    mac: `00:16:3e:5e:6c:${hex.padStart(2, '0')}`,
    netvm,
    providesNetwork,
  };
}
