// Owns the tunnel: sys-firewall becomes a VPN qube, whose server is behind the line, with the Internet behind it.
import { writeFileSync } from 'node:fs';
import { inQube } from '../../lab/guest/namespaces.js';
import { labQube } from '../../lab/guest/qubes.js';
import { sh, shWith } from '../../lab/guest/run.js';

/** The VPN server's own address: that of the measuring server is reached through the tunnel. */
const ENDPOINT = '203.0.113.11';
const PORT = 51820;
const INNER = { client: '10.99.0.2', server: '10.99.0.1' } as const;
const VPN_QUBE = 'sys-firewall';

/** Makes the tunnel and sends everything of sys-firewall's clients through it, IPv4. */
export async function startTunnel(): Promise<void> {
  const [client, server] = [await newKeys(), await newKeys()];
  await inQube('internet', 'ip', 'address', 'add', `${ENDPOINT}/24`, 'dev', 'eth0');
  await makeEnd('internet', server, INNER.server, [
    ...['peer', client.public, 'allowed-ips', `${INNER.client}/32`],
  ]);
  await makeEnd(VPN_QUBE, client, INNER.client, [
    ...['peer', server.public, 'allowed-ips', '0.0.0.0/0', 'endpoint', `${ENDPOINT}:${PORT}`],
  ]);
  const gateway = labQube('sys-net').ip;
  await inQube(VPN_QUBE, 'ip', 'route', 'add', ENDPOINT, 'via', gateway, 'dev', 'eth0', 'onlink');
  await inQube(VPN_QUBE, 'ip', 'route', 'replace', 'default', 'dev', 'wg0');
}

interface Keys {
  readonly private: string;
  readonly public: string;
}

async function newKeys(): Promise<Keys> {
  const key = await sh('wg', 'genkey');
  return { private: key, public: (await shWith({ stdin: key }, 'wg', 'pubkey')).stdout.trim() };
}

async function makeEnd(qube: string, keys: Keys, ip: string, peer: readonly string[]): Promise<void> {
  await inQube(qube, 'ip', 'link', 'add', 'wg0', 'type', 'wireguard');
  const file = `/lab/${qube}.key`;
  writeFileSync(file, keys.private, { mode: 0o600 });
  await inQube(qube, ...['wg', 'set', 'wg0', 'listen-port', `${PORT}`, 'private-key', file, ...peer]);
  await inQube(qube, 'ip', 'address', 'add', `${ip}/24`, 'dev', 'wg0');
  await inQube(qube, 'ip', 'link', 'set', 'wg0', 'up');
}
