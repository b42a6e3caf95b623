// Owns packets that a program of the guest sends by itself, and the DSCP with which they leave.
import { sh } from './run.js';

/** Where the packets go: over the uplink, or to this qube itself. */
const PEERS = {
  ip: ['eth0', '10.9.0.2'],
  ip6: ['eth0', 'fd09::2'],
  loopback: ['lo', '127.0.0.1'],
  loopback6: ['lo', '::1'],
} as const;

/** Who sends what; of root, without a mark and to port 5001 where nothing is said. */
export interface Sending {
  /** TOS byte that the program asks for, 0 by default. */
  readonly tos?: number;
  readonly protocol?: 'udp' | 'tcp' | 'icmp';
  readonly port?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** SO_MARK; root's only. */
  readonly mark?: number;
  /** Below /sys/fs/cgroup. */
  readonly cgroup?: string;
}

/**
 * Sends three packets (TCP: connection attempts) as it is told, and prints the TOS (IPv6: traffic class) with which each left
 * the device. An owner is a socket's from its creation on, and so is its cgroup.
 */
const SEND_AND_CAPTURE = `
import json, os, socket, sys
device, address, asked = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
protocol, six = asked.get('protocol', 'udp'), ':' in address
family = socket.AF_INET6 if six else socket.AF_INET
capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
capture.bind((device, 3))
capture.settimeout(5)
if 'cgroup' in asked: open('/sys/fs/cgroup/%s/cgroup.procs' % asked['cgroup'], 'w').write(str(os.getpid()))
os.setegid(asked.get('gid', 0))
os.seteuid(asked.get('uid', 0))
number = {'udp': 17, 'tcp': 6, 'icmp': 58 if six else 1}[protocol]
kind = {'udp': socket.SOCK_DGRAM, 'tcp': socket.SOCK_STREAM, 'icmp': socket.SOCK_RAW}[protocol]
tos, port, keep = asked.get('tos', 0), asked.get('port', 5001), []
for n in range(3):
    s = socket.socket(family, kind, number if protocol == 'icmp' else 0)
    s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 67 if six else socket.IP_TOS, tos)
    if 'mark' in asked: s.setsockopt(socket.SOL_SOCKET, 36, asked['mark'])
    s.setblocking(False)
    keep.append(s)
    if protocol == 'icmp': s.sendto(bytes([128 if six else 8, 0, 0, 0, 0, 1, 0, n]), (address, 0))
    elif protocol == 'udp': s.sendto(b'probe', (address, port))
    else: s.connect_ex((address, port))
wanted, seen = socket.inet_pton(family, address), 0
while seen < 3:
    p = capture.recv(2048)
    if p[0] >> 4 != (6 if six else 4): continue
    if six: match, value = p[6] == number and p[24:40] == wanted, (p[0] & 15) << 4 | p[1] >> 4
    else: match, value = p[9] == number and p[16:20] == wanted, p[1]
    if match:
        seen += 1
        print(value)
`;

/** Gives the guest's own namespace an uplink with addresses of both families. */
export async function makeUplink(): Promise<void> {
  // A dummy needs no neighbour: what is routed to it leaves at once.
  await sh('ip', 'link', 'add', 'eth0', 'type', 'dummy');
  await sh('ip', 'addr', 'add', '10.9.0.1/24', 'dev', 'eth0');
  await sh('ip', 'addr', 'add', 'fd09::1/64', 'dev', 'eth0', 'nodad');
  await sh('ip', 'link', 'set', 'eth0', 'up');
}

/** The different TOS bytes with which packets leave when a program sends them so. */
export async function tosOf(to: keyof typeof PEERS, sending: Sending = {}): Promise<number[]> {
  const [device, address] = PEERS[to];
  const lines = await sh('python3', '-c', SEND_AND_CAPTURE, device, address, JSON.stringify(sending));
  return [...new Set(lines.trim().split('\n').map(Number))];
}
