// Owns a tunnel with rules that do what those of Mullvad's app do (mullvadvpn-app, talpid-core: firewall/linux.rs,
// split_tunnel, routing): a table that drops what is not for the tunnel, its own packets known by their packet mark, and
// excluded connections by a mark of conntrack. Written for the lab; the app knows processes by cgroup, here it is a port.
import { inQube, inQubeWith } from './namespaces.js';
import { ENDPOINT, makeTunnel, PORT, VPN_QUBE } from './vpn.js';

export const MULLVAD_TUNNEL = 'wg0-mullvad';
/** On the tunnel's own packets, and on those that are to go beside it; also the number of the routing table. */
export const MULLVAD_MARK = '0x6d6f6c65';
/** On excluded connections. */
const EXCLUDED = '0xf41';

/**
 * Connects. Excluded are the UDP port of this qube itself, which is what the app does, and the same of a client, which
 * users add by rules of their own.
 */
export async function startMullvad(vif: string, excludedPort: number): Promise<void> {
  await makeTunnel(MULLVAD_TUNNEL, MULLVAD_MARK);
  for (const family of ['-4', '-6']) {
    const table = String(Number(MULLVAD_MARK));
    await inQube(VPN_QUBE, 'ip', family, 'route', 'add', 'default', 'dev', MULLVAD_TUNNEL, 'table', table);
    const rule = ['ip', family, 'rule', 'add'];
    await inQube(VPN_QUBE, ...rule, ...['priority', '5199', 'not', 'fwmark', MULLVAD_MARK, 'lookup', table]);
    await inQube(VPN_QUBE, ...rule, ...['priority', '5198', 'lookup', 'main', 'suppress_prefixlength', '0']);
  }
  await inQube(VPN_QUBE, 'sysctl', '-q', 'net.ipv4.conf.all.src_valid_mark=1');
  await inQubeWith({ stdin: rules(vif, excludedPort) }, VPN_QUBE, 'nft', '-f', '-');
}

/** Disconnects. */
export async function stopMullvad(): Promise<void> {
  await inQube(VPN_QUBE, 'nft', 'delete', 'table', 'inet', 'mullvad');
  await inQube(VPN_QUBE, 'nft', 'delete', 'table', 'inet', 'exclude-client');
  for (const family of ['-4', '-6'])
    for (const priority of ['5198', '5199'])
      await inQube(VPN_QUBE, 'ip', family, 'rule', 'delete', 'priority', priority);
  await inQube(VPN_QUBE, 'ip', 'link', 'delete', MULLVAD_TUNNEL);
}

function rules(vif: string, excludedPort: number): string {
  const exclude = `ct mark set ${EXCLUDED} meta mark set ${MULLVAD_MARK}`;
  return `table inet mullvad {
  chain prerouting {
    type filter hook prerouting priority -199; policy accept;
    ip saddr ${ENDPOINT.ip} udp sport ${PORT} meta mark set ${MULLVAD_MARK}
    iifname != "${MULLVAD_TUNNEL}" ct mark ${EXCLUDED} meta mark set ${MULLVAD_MARK}
  }
  chain mangle {
    type route hook output priority mangle; policy accept;
    udp dport ${excludedPort} ${exclude}
  }
  chain output {
    type filter hook output priority filter; policy drop;
    oif "lo" accept
    ct mark ${EXCLUDED} accept
    meta l4proto ipv6-icmp accept
    ip daddr ${ENDPOINT.ip} udp dport ${PORT} meta mark ${MULLVAD_MARK} accept
    oifname "${MULLVAD_TUNNEL}" accept
    reject
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    ct mark ${EXCLUDED} accept
    meta l4proto ipv6-icmp accept
    ip saddr ${ENDPOINT.ip} udp sport ${PORT} ct state established accept
    iifname "${MULLVAD_TUNNEL}" accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct mark ${EXCLUDED} accept
    oifname "${MULLVAD_TUNNEL}" accept
    iifname "${MULLVAD_TUNNEL}" ct state established accept
    reject
  }
  chain nat {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${MULLVAD_TUNNEL}" ct mark ${EXCLUDED} drop
    oif != "lo" ct mark ${EXCLUDED} masquerade
  }
}
table inet exclude-client {
  chain prerouting {
    type filter hook prerouting priority -160; policy accept;
    iifname "${vif}" udp dport ${excludedPort} ${exclude}
  }
}
`;
}
