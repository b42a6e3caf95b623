// Owns what Qubes' hotplug scripts do when a client starts or stops: the NetVM's side (vif-route-qubes, vif-qubes-nat.sh) and
// the client's (setup-ip). Written from qubes-core-agent-linux 4.3; interfaces, groups, routes, tables and order are its own.
import { readFile } from 'node:fs/promises';
import { inQube, inQubeWith, ipBatch } from './namespaces.js';
import { labQube, vifName, type LabQube } from './qubes.js';
import { sh, shWith } from './run.js';

export const VIF_MAC = 'fe:ff:ff:ff:ff:ff';
/** The link-local address that the MAC above gives. */
export const GATEWAY6 = 'fe80::fcff:ffff:feff:ffff';
/** Largest number of a Xen domain; the later a domain started, the better its route. */
const MAX_DOMID = 32752;

/** Connects a client to its NetVM: the vif is made, set up and online when this returns. */
export async function startClient(name: string): Promise<void> {
  const client = labQube(name);
  const netvm = netvmOf(client);
  const vif = vifName(client);
  // Xen's netback has a queue of 32.
  await ipBatch(netvm.name, [
    `link add ${vif} address ${VIF_MAC} txqueuelen 32 type veth peer name eth0 address ${client.mac} netns ${client.name}`,
  ]);
  await announce(netvm.name, vif);
  await vifOnline(netvm, client, ['ip', 'ip6']);
  await setUpEth0(client, netvm);
}

/** Shuts a client down: its vif goes away, then the NetVM forgets its addresses. */
export async function stopClient(name: string): Promise<void> {
  const client = labQube(name);
  const netvm = netvmOf(client);
  const vif = vifName(client);
  await inQube(netvm.name, 'ip', 'link', 'delete', vif);
  await forget(netvm, client, vif);
}

/**
 * What net.fake-ip does: the vif moves into a namespace of its own, and a veth pair takes its place under the same name,
 * with another ifindex. IPv4 only, as in Qubes.
 */
export async function replaceVif(name: string): Promise<void> {
  const client = labQube(name);
  const netvm = netvmOf(client);
  const vif = vifName(client);
  const nat = `${vif}-nat`;
  await forget(netvm, client, vif);
  await sh('ip', 'netns', 'add', nat);
  await ipBatch(netvm.name, [
    `link set ${vif} netns ${nat}`,
    `link add ${vif}-p address ${client.mac} netns ${nat} type veth peer name ${vif} address ${VIF_MAC}`,
  ]);
  await ipBatch(nat, [
    `neighbour add ${client.ip} dev ${vif} lladdr ${client.mac} nud permanent`,
    `neighbour add ${netvm.ip} dev ${vif}-p lladdr ${VIF_MAC} nud permanent`,
    `link set ${vif}-p up`,
    `link set ${vif} up`,
  ]);
  await announce(netvm.name, vif);
  const forwardBetween = (from: string, to: string) =>
    `chain ${from} { type filter hook ingress device "${from}" priority filter; policy drop;
      meta protocol ip fwd to "${to}"
      meta protocol arp fwd to "${to}"
    }`;
  await shWith(
    {
      stdin: `table netdev nat {\n${forwardBetween(vif, `${vif}-p`)}\n${forwardBetween(`${vif}-p`, vif)}\n}\n`,
    },
    ...['ip', 'netns', 'exec', nat, 'nft', '-f', '-'],
  );
  await vifOnline(netvm, client, ['ip']);
}

const UDEV_RULES = '/usr/lib/udev/rules.d/75-qubes-qos.rules';

/** Does what udev does by our rule for a device that has come: udev itself hears of the guest's own network only. */
async function announce(netvm: string, vif: string): Promise<void> {
  const rule = await readFile(UDEV_RULES, 'utf8');
  const [, test = ''] = /TEST=="([^"]+)"/.exec(rule) ?? [];
  const [, command = ''] = /RUN\+="([^"]+)"/.exec(rule) ?? [];
  const script = `test ! -e ${test} || ${command.replaceAll('%k', vif)}`;
  await inQubeWith({ okCodes: [0, 1, 2] }, netvm, 'sh', '-c', script);
}

/** vif-route-qubes online, in its order. */
async function vifOnline(
  netvm: LabQube,
  client: LabQube,
  families: readonly ('ip' | 'ip6')[],
): Promise<void> {
  const vif = vifName(client);
  const addresses = families.map((family) => client[family]);
  await inQube(netvm.name, 'sysctl', '-q', `net/ipv4/conf/${vif}/proxy_arp=1`);
  await renewFlowtable(netvm.name);
  await purgeConnections(netvm, addresses);
  await ipBatch(
    netvm.name,
    addresses.map((ip) => `neighbour add ${ip} dev ${vif} lladdr ${client.mac} nud permanent`),
  );
  await nft(netvm.name, families.map((family) => changeElements('add', family, vif, client)).join(''));
  await ipBatch(netvm.name, [
    `link set ${vif} group 2 up`,
    ...addresses.map((ip) => `route add ${ip} dev ${vif} metric ${MAX_DOMID - client.domid}`),
    `addr add ${netvm.ip}/32 dev ${vif}`,
  ]);
}

/** vif-route-qubes offline; the device itself is gone already, and its routes with it. */
async function forget(netvm: LabQube, client: LabQube, vif: string): Promise<void> {
  await purgeConnections(netvm, [client.ip, client.ip6]);
  for (const family of ['ip', 'ip6'] as const) {
    // A replaced vif had no IPv6.
    await inQubeWith(
      { stdin: changeElements('delete', family, vif, client), okCodes: [0, 1] },
      netvm.name,
      'nft',
      '-f',
      '-',
    );
  }
}

/** setup-ip of the client. */
async function setUpEth0(client: LabQube, netvm: LabQube): Promise<void> {
  await ipBatch(client.name, [
    `addr replace ${client.ip}/32 dev eth0`,
    `neighbour replace ${netvm.ip} dev eth0 lladdr ${VIF_MAC} nud permanent`,
    `addr replace ${client.ip6}/128 dev eth0`,
    `neighbour replace ${GATEWAY6} dev eth0 lladdr ${VIF_MAC} nud permanent`,
    'link set eth0 group 1 up',
    `route replace ${netvm.ip} dev eth0`,
    `route replace default via ${netvm.ip} dev eth0 onlink`,
    `route replace default via ${GATEWAY6} dev eth0 onlink`,
  ]);
}

/** Deleted and made anew at each start of a client, with all interfaces whose names nft takes unquoted. */
async function renewFlowtable(netvm: string): Promise<void> {
  const links = JSON.parse(await inQube(netvm, 'ip', '-j', 'link', 'show')) as { ifname: string }[];
  const devices = links.map((link) => link.ifname).filter((device) => /^[A-Za-z0-9._]+$/.test(device));
  await nft(
    netvm,
    `add table inet qubes-nat-accel
delete table inet qubes-nat-accel
table inet qubes-nat-accel {
  flowtable qubes-accel {
    hook ingress priority filter
    devices = { ${devices.join(', ')} }
  }
  chain qubes-accel {
    type filter hook forward priority filter + 5; policy accept;
    meta l4proto { tcp, udp } iifgroup 2 oifgroup 1 flow add @qubes-accel
    counter
  }
}
`,
  );
}

/** conntrack ends with 1 when nothing matched. */
async function purgeConnections(netvm: LabQube, addresses: readonly string[]): Promise<void> {
  for (const ip of addresses) {
    const family = ip.includes(':') ? ['-f', 'ipv6'] : [];
    for (const side of ['-s', '-d']) {
      await inQubeWith({ okCodes: [0, 1] }, netvm.name, 'conntrack', '-D', ...family, side, ip);
    }
  }
}

function changeElements(verb: 'add' | 'delete', family: 'ip' | 'ip6', vif: string, client: LabQube): string {
  const ip = client[family];
  return `${verb} element ${family} qubes allowed { "${vif}" . ${ip} }
${verb} element ${family} qubes downstream { ${ip} }
`;
}

function netvmOf(client: LabQube): LabQube {
  if (client.netvm === undefined) throw new Error(`${client.name} has no NetVM.`);
  return labQube(client.netvm);
}

async function nft(qube: string, script: string): Promise<void> {
  await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
}
