// Owns what is behind sys-net: a modem with a slow line and a dumb queue, a provider 10 ms away, and a server.
import { NIC, SERVER, SWALLOW_PORT, SWALLOW_PORTS } from './qubes.js';
import { inQube, inQubeWith, ipBatch } from './namespaces.js';

/** The line as the modem sees it. */
export interface Line {
  /** Bits a second, as tc writes them. */
  readonly up: string;
  readonly down: string;
  /** Frames of 1514 bytes that the modem's queue holds in each direction: 500 ms of the rate. */
  readonly upFrames: number;
  readonly downFrames: number;
}

/** 10 Mbit up, 50 down, 500 ms of queue. */
export const HOME_LINE: Line = { up: '10mbit', down: '50mbit', upFrames: 413, downFrames: 2064 };

const DELAY = '10ms';

/** Connects sys-net's card to the Internet. */
export async function makeLine(line: Line): Promise<void> {
  await connect('sys-net', NIC, 'modem', 'lan0');
  await connect('modem', 'wan0', 'isp', 'modem0');
  await connect('isp', 'net0', 'internet', 'eth0');
  await ipBatch('sys-net', [
    `addr add 192.168.1.2/24 dev ${NIC}`,
    `addr add 2001:db8:1::2/64 dev ${NIC}`,
    `link set ${NIC} up`,
    `route add default via 192.168.1.1`,
    `route add default via 2001:db8:1::1`,
  ]);
  await router(
    'modem',
    ['lan0', '192.168.1.1/24', '2001:db8:1::1/64'],
    ['wan0', '198.51.100.2/24', '2001:db8:2::2/64'],
  );
  await ipBatch('modem', ['route add default via 198.51.100.1', 'route add default via 2001:db8:2::1']);
  await router(
    'isp',
    ['modem0', '198.51.100.1/24', '2001:db8:2::1/64'],
    ['net0', '203.0.113.1/24', '2001:db8:ff::1/64'],
  );
  await ipBatch('isp', [
    'route add 192.168.1.0/24 via 198.51.100.2',
    'route add 2001:db8:1::/64 via 2001:db8:2::2',
  ]);
  await ipBatch('internet', [
    `addr add ${SERVER.ip}/24 dev eth0`,
    `addr add ${SERVER.ip6}/64 dev eth0`,
    'link set eth0 up',
    'route add default via 203.0.113.1',
    'route add default via 2001:db8:ff::1',
  ]);
  await swallow();
  await makeFrames();
  await makeQueues(line);
}

/** One UDP port of the server takes everything and answers nothing; what is for the others ends in the modem. */
async function swallow(): Promise<void> {
  const drop = (chain: string): string => `table inet swallow {\n${chain}\n}\n`;
  const server = `chain in { type filter hook input priority filter; udp dport ${SWALLOW_PORT} drop; }`;
  const modem = `chain in { type filter hook prerouting priority raw; udp dport ${SWALLOW_PORTS.join('-')} drop; }`;
  await inQubeWith({ stdin: drop(server) }, 'internet', 'nft', '-f', '-');
  await inQubeWith({ stdin: drop(modem) }, 'modem', 'nft', '-f', '-');
}

/** Frames on the wire, super-packets only inside Qubes: the card cuts what it sends and joins what it gets. */
async function makeFrames(): Promise<void> {
  await inQube('sys-net', 'ethtool', '-K', NIC, 'tso', 'off', 'gro', 'on');
  await inQube('internet', 'ethtool', '-K', 'eth0', 'tso', 'off', 'gso', 'off');
}

async function makeQueues(line: Line): Promise<void> {
  await inQube('modem', 'tc', ...netem('wan0'), 'rate', line.up, 'limit', `${line.upFrames}`);
  await inQube('modem', 'tc', ...netem('lan0'), 'rate', line.down, 'limit', `${line.downFrames}`);
  for (const device of ['modem0', 'net0'])
    await inQube('isp', 'tc', ...netem(device), 'delay', DELAY, 'limit', '10000');
}

function netem(device: string): string[] {
  return ['qdisc', 'replace', 'dev', device, 'root', 'netem'];
}

async function connect(left: string, leftDevice: string, right: string, rightDevice: string): Promise<void> {
  await ipBatch(left, [`link add ${leftDevice} type veth peer name ${rightDevice} netns ${right}`]);
}

async function router(
  name: string,
  ...links: (readonly [device: string, ip: string, ip6: string])[]
): Promise<void> {
  await inQube(name, 'sysctl', '-q', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  const lines = links.flatMap(([device, ip, ip6]) => [
    `addr add ${ip} dev ${device}`,
    `addr add ${ip6} dev ${device}`,
    `link set ${device} up`,
  ]);
  await ipBatch(name, lines);
}
