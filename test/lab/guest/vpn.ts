// Owns the tunnel of the lab: sys-firewall as a VPN qube, its server behind the line, everything of its clients inside, IPv4
// and IPv6. The client's end is set up by wg-quick itself, as users have it: its tables, rules, marks and nft.
import { mkdirSync, writeFileSync } from 'node:fs';
import { inQube, inQubeWith } from './namespaces.js';
import { sh, shWith } from './run.js';
import type { Family } from './traffic.js';

export const VPN_QUBE = 'sys-firewall';
export const PORT = 51820;
/** What wg-quick makes of a card of 1500 bytes. */
export const TUNNEL_MTU = 1420;
/** The server's own addresses: that of the measuring server is reached through the tunnel. */
export const ENDPOINT: Readonly<Record<Family, string>> = { ip: '203.0.113.11', ip6: '2001:db8:ff::11' };
const INNER = {
  client: { ip: '10.99.0.2', ip6: 'fd99::2' },
  server: { ip: '10.99.0.1', ip6: 'fd99::1' },
} as const;

interface Keys {
  readonly private: string;
  readonly public: string;
}

let keys: { readonly client: Keys; readonly server: Keys };

/** Starts the server; the client's end waits for `startTunnel`. */
export async function startVpnServer(): Promise<void> {
  keys = { client: await newKeys(), server: await newKeys() };
  await inQube('internet', 'ip', 'address', 'add', `${ENDPOINT.ip}/24`, 'dev', 'eth0');
  await inQube('internet', 'ip', 'address', 'add', `${ENDPOINT.ip6}/64`, 'dev', 'eth0');
  const file = '/lab/server.key';
  writeFileSync(file, keys.server.private, { mode: 0o600 });
  await inQube('internet', 'ip', 'link', 'add', 'wg0', 'type', 'wireguard');
  const allowed = `${INNER.client.ip}/32,${INNER.client.ip6}/128`;
  const peer = ['peer', keys.client.public, 'allowed-ips', allowed];
  await inQube('internet', ...['wg', 'set', 'wg0', 'listen-port', `${PORT}`, 'private-key', file, ...peer]);
  await inQube('internet', 'ip', 'address', 'add', `${INNER.server.ip}/24`, 'dev', 'wg0');
  await inQube('internet', 'ip', 'address', 'add', `${INNER.server.ip6}/64`, 'dev', 'wg0');
  await inQube('internet', 'ip', 'link', 'set', 'wg0', 'mtu', `${TUNNEL_MTU}`, 'up');
}

/** `wg-quick up`, with an endpoint of this family. */
export async function startTunnel(outer: Family, qube = VPN_QUBE): Promise<void> {
  const endpoint = outer === 'ip' ? ENDPOINT.ip : `[${ENDPOINT.ip6}]`;
  const lines = [
    '[Interface]',
    `PrivateKey = ${keys.client.private}`,
    `Address = ${INNER.client.ip}/24, ${INNER.client.ip6}/64`,
    `MTU = ${TUNNEL_MTU}`,
    '[Peer]',
    `PublicKey = ${keys.server.public}`,
    'AllowedIPs = 0.0.0.0/0, ::/0',
    `Endpoint = ${endpoint}:${PORT}`,
  ];
  mkdirSync('/etc/wireguard', { recursive: true, mode: 0o700 });
  writeFileSync('/etc/wireguard/wg0.conf', `${lines.join('\n')}\n`, { mode: 0o600 });
  await inQube(qube, 'wg-quick', 'up', 'wg0');
}

/** `wg-quick down`. */
export async function stopTunnel(): Promise<void> {
  await inQube(VPN_QUBE, 'wg-quick', 'down', 'wg0');
}

/** The tunnel by hand, for rules that are somebody else's: no routes, packets of its own carry this mark. */
export async function makeTunnel(name: string, mark: string): Promise<void> {
  const file = '/lab/client.key';
  writeFileSync(file, keys.client.private, { mode: 0o600 });
  await inQube(VPN_QUBE, 'ip', 'link', 'add', name, 'type', 'wireguard');
  const peer = [
    'peer',
    keys.server.public,
    'allowed-ips',
    '0.0.0.0/0,::/0',
    'endpoint',
    `${ENDPOINT.ip}:${PORT}`,
  ];
  await inQube(VPN_QUBE, ...['wg', 'set', name, 'private-key', file, 'fwmark', mark, ...peer]);
  await inQube(VPN_QUBE, 'ip', 'address', 'add', `${INNER.client.ip}/24`, 'dev', name);
  await inQube(VPN_QUBE, 'ip', 'address', 'add', `${INNER.client.ip6}/64`, 'dev', name);
  await inQube(VPN_QUBE, 'ip', 'link', 'set', name, 'mtu', `${TUNNEL_MTU}`, 'up');
}

/**
 * Lets the kernel threads that encrypt go before all others. The guest has one slow processor, and shared with the
 * server's decryption they wait for some 10 ms at a time, after which all that waited leaves at once. Do it under load:
 * the kernel makes these threads as it needs them.
 */
export async function hurryEncryption(): Promise<void> {
  await sh('sh', '-ec', 'for thread in $(pgrep kworker/0:); do chrt --fifo --pid 2 "$thread"; done');
}

/**
 * Counts packets from here on: each match has a counter.
 * @param hook - the base chain's hook and priority.
 */
export async function countPackets(
  qube: string,
  hook: string,
  matches: Readonly<Record<string, string>>,
): Promise<() => Promise<Record<string, number>>> {
  const table = 'inet lab-count';
  const counters = Object.keys(matches).map((name) => `counter ${name} { }\n`);
  const rules = Object.entries(matches).map(([name, match]) => `${match} counter name ${name}\n`);
  const script = `table ${table} {}\ndelete table ${table}\ntable ${table} {\n${counters.join('')}chain seen {\ntype filter hook ${hook}; policy accept;\n${rules.join('')}}\n}\n`;
  await inQubeWith({ stdin: script }, qube, 'nft', '-f', '-');
  return async () => {
    const text = await inQube(qube, 'nft', 'list', 'counters', 'table', 'inet', 'lab-count');
    return Object.fromEntries(
      [...text.matchAll(/counter (\w+) \{\s+packets (\d+)/g)].map(([, name = '', packets]) => [
        name,
        Number(packets),
      ]),
    );
  };
}

async function newKeys(): Promise<Keys> {
  const key = await sh('wg', 'genkey');
  return { private: key, public: (await shWith({ stdin: key }, 'wg', 'pubkey')).stdout.trim() };
}
