// Owns what a qube that provides network has before its first client: forwarding and Qubes' tables `ip qubes` and
// `ip6 qubes` (anti-spoofing, input, forward, masquerade).
import { inQube, inQubeWith } from './namespaces.js';

/** Makes a qube a NetVM. */
export async function setUpNetvm(name: string): Promise<void> {
  await inQube(name, 'sysctl', '-q', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  await inQubeWith({ stdin: table('ip') + table('ip6') }, name, 'nft', '-f', '-');
}

function table(family: 'ip' | 'ip6'): string {
  const icmp = family === 'ip' ? 'icmp' : 'ipv6-icmp';
  return `table ${family} qubes {
  set downstream { type ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}; }
  set allowed { type ifname . ${family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'}; }
  chain antispoof {
    iifname . ${family} saddr @allowed accept
    counter drop
  }
  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifgroup 2 goto antispoof
    ${family} saddr @downstream counter drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifgroup 2 accept
    oif lo accept
    masquerade
  }
  chain custom-input { }
  chain custom-forward { }
  chain input {
    type filter hook input priority filter; policy drop;
    jump custom-input
    ct state invalid counter drop
    ct state related,established accept
    meta l4proto ${icmp} accept
    iif lo accept
    counter
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    jump custom-forward
    ct state invalid counter drop
    ct state related,established accept
    oifgroup 2 counter drop
  }
}
`;
}
