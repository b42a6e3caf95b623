// Checks that what the mangle agent puts in force holds for real packets on the users' kernel and nft.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { check } from '../check.js';
import { sh, shWith, until } from '../run.js';
import { QubesDb } from '../../../sim/qubesdb.js';

const CLASSES = { ef: 46, cs5: 40, cs0: 0, cs2: 16, cs1: 8 } as const;

/** Where the packets go: over the uplink, or to this qube itself. */
const PEERS = {
  ip: ['eth0', '10.9.0.2'],
  ip6: ['eth0', 'fd09::2'],
  loopback: ['lo', '127.0.0.1'],
  loopback6: ['lo', '::1'],
} as const;

type Protocol = 'udp' | 'tcp' | 'icmp';

/**
 * Sends three packets (TCP: connection attempts) with the TOS that a program asks for, and prints the TOS (IPv6:
 * traffic class) with which each left the device. Arguments: device, address, protocol, TOS.
 */
const SEND_AND_CAPTURE = `
import socket, sys
device, address, protocol, tos = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
six = ':' in address
family = socket.AF_INET6 if six else socket.AF_INET
capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
capture.bind((device, 3))
capture.settimeout(5)
number = {'udp': 17, 'tcp': 6, 'icmp': 58 if six else 1}[protocol]
kind = {'udp': socket.SOCK_DGRAM, 'tcp': socket.SOCK_STREAM, 'icmp': socket.SOCK_RAW}[protocol]
keep = []
for n in range(3):
    s = socket.socket(family, kind, number if protocol == 'icmp' else 0)
    s.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 67 if six else socket.IP_TOS, tos)
    s.setblocking(False)
    keep.append(s)
    if protocol == 'icmp': s.sendto(bytes([128 if six else 8, 0, 0, 0, 0, 1, 0, n]), (address, 0))
    elif protocol == 'udp': s.sendto(b'probe', (address, 5001 + n))
    else: s.connect_ex((address, 5001 + n))
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

let qubesdb: QubesDb;

check('the qube has an uplink and a QubesDB', async () => {
  qubesdb = await QubesDb.listen('/run/qubes');
  // A dummy needs no neighbour: what is routed to it leaves at once.
  await sh('ip', 'link', 'add', 'eth0', 'type', 'dummy');
  await sh('ip', 'addr', 'add', '10.9.0.1/24', 'dev', 'eth0');
  await sh('ip', 'addr', 'add', 'fd09::1/64', 'dev', 'eth0', 'nodad');
  await sh('ip', 'link', 'set', 'eth0', 'up');
});

check('no policy: nothing is marked, and there is no table', async () => {
  await sh('qubes-qos-mangle', 'apply');
  assert.deepEqual(await tosOf('ip'), [0]);
  assert.deepEqual(await tosOf('ip6', 0x68), [0x68]);
  assert.equal(await tableText(), undefined);
});

for (const [name, dscp] of Object.entries(CLASSES)) {
  check(
    `${name}: every packet leaves with DSCP ${dscp}, IPv4 and IPv6, whatever the program set`,
    async () => {
      qubesdb.write('/vm-config/dscp', name);
      await sh('qubes-qos-mangle', 'apply');
      assert.deepEqual(await tosOf('ip'), [dscp << 2]);
      assert.deepEqual(await tosOf('ip6'), [dscp << 2]);
      assert.deepEqual(await tosOf('ip', 0x68), [dscp << 2]);
      assert.deepEqual(await tosOf('ip6', 0x68), [dscp << 2]);
    },
  );
}

check('defect of the original: IPv4 only. TCP and ICMP are marked in both families', async () => {
  qubesdb.write('/vm-config/dscp', 'ef');
  await sh('qubes-qos-mangle', 'apply');
  for (const family of ['ip', 'ip6'] as const) {
    assert.deepEqual(await tosOf(family, 0, 'tcp'), [0xb8]);
    assert.deepEqual(await tosOf(family, 0, 'icmp'), [0xb8]);
  }
});

check('ECN stays as the program set it', async () => {
  for (const ecn of [1, 2, 3]) {
    assert.deepEqual(await tosOf('ip', ecn), [0xb8 | ecn]);
    assert.deepEqual(await tosOf('ip6', 0x68 | ecn), [0xb8 | ecn]);
  }
});

check('defect of the original: the output hook also marks loopback', async () => {
  assert.deepEqual(await tosOf('loopback'), [0]);
  assert.deepEqual(await tosOf('loopback6', 0x68), [0x68]);
});

check('nft reads back exactly what was written, so a second run changes nothing', async () => {
  const before = await sh('nft', '-a', 'list', 'ruleset');
  const second = await shWith({}, 'qubes-qos-mangle', 'apply');
  assert.match(second.stderr, /as before/);
  assert.equal(await sh('nft', '-a', 'list', 'ruleset'), before);
});

check('a live change marks the next packets; a flushed ruleset is repaired at the next event', async () => {
  const watcher = spawn('qubes-qos-mangle', ['watch'], { stdio: 'ignore' });
  qubesdb.write('/vm-config/dscp', 'cs1');
  await until('cs1 is in force', async () => (await tosOf('ip6')).join() === '32');
  await sh('nft', 'flush', 'ruleset');
  assert.deepEqual(await tosOf('ip'), [0]);
  qubesdb.write('/vm-config/unrelated', '1');
  await until('cs1 is in force again', async () => (await tosOf('ip')).join() === '32');
  qubesdb.remove('/vm-config/');
  await until('nothing is marked', async () => (await tosOf('ip6', 0x68)).join() === '104');
  assert.equal(await tableText(), undefined);
  watcher.kill();
});

check('cleanup unmarks, and leaves other tables alone', async () => {
  await shWith({ stdin: 'table inet other {\n}\n' }, 'nft', '-f', '-');
  qubesdb.write('/vm-config/dscp', 'ef');
  await sh('qubes-qos-mangle', 'apply');
  await sh('qubes-qos-mangle', 'cleanup');
  assert.deepEqual(await tosOf('ip'), [0]);
  assert.equal(await sh('nft', 'list', 'ruleset'), 'table inet other {\n}\n');
});

check(
  'nft 1.1 accepts the scripts, and a stop of the unit, which uses destroy, removes the table',
  async () => {
    assert.equal(await sh('qubes-qos-mangle', 'check'), 'nft accepts the script\n');
    await sh('qubes-qos-mangle', 'apply');
    await sh('nft', 'destroy', 'table', 'inet', 'qubes-qos-mangle');
    await sh('nft', 'destroy', 'table', 'inet', 'qubes-qos-mangle');
    assert.equal(await tableText(), undefined);
    await qubesdb.close();
  },
);

async function tableText(): Promise<string | undefined> {
  const list = await shWith({ okCodes: [0, 1] }, 'nft', 'list', 'table', 'inet', 'qubes-qos-mangle');
  return list.exitCode === 0 ? list.stdout : undefined;
}

/** The different TOS bytes with which packets leave when a program sends them with this one. */
async function tosOf(to: keyof typeof PEERS, tos = 0, protocol: Protocol = 'udp'): Promise<number[]> {
  const [device, address] = PEERS[to];
  const lines = await sh('python3', '-c', SEND_AND_CAPTURE, device, address, protocol, String(tos));
  return [...new Set(lines.trim().split('\n').map(Number))];
}
