// Checks Wi-Fi: the DSCP is cleared where packets leave by a radio, and they go in the access category of their class all the
// same. The radios are those of mac80211_hwsim in an ad-hoc network; mac80211 itself counts what it sends by priority.
import assert from 'node:assert/strict';
import { QubesDb } from '../../../sim/qubesdb.js';
import { check } from '../check.js';
import { sh, shWith, until } from '../run.js';

const HERE = { ip: '192.0.2.1', ip6: '2001:db8:3::1' } as const;
const FAR = { ip: '192.0.2.2', ip6: '2001:db8:3::2' } as const;
/** Behind the far radio: what is in the card's own network passes beside the queue. */
const TARGET = { ip: '198.51.100.1', ip6: '2001:db8:4::1' } as const;
const PACKETS = 20;
/** TOS byte of a class, and the user priority that RFC 8325 gives it. */
const CLASSES = { ef: [0xb8, 6], cs5: [0xa0, 5], cs0: [0, 0], cs2: [0x40, 0], cs1: [0x20, 1] } as const;

let db: QubesDb;

check('two radios find each other, and the card becomes a line with filters before its queue', async () => {
  await sh('modprobe', 'mac80211_hwsim', 'radios=2');
  await sh('ip', 'netns', 'add', 'far');
  const phy = (await sh('cat', '/sys/class/net/wlan1/phy80211/name')).trim();
  await sh('iw', 'phy', phy, 'set', 'netns', 'name', 'far');
  await join([], 'wlan0', HERE);
  await join(inFar, 'wlan1', FAR);
  for (const target of Object.values(TARGET)) await sh(...inFar, 'ip', 'address', 'add', target, 'dev', 'lo');
  await sh(...inFar, 'ip', 'link', 'set', 'lo', 'up');
  for (const family of ['ip', 'ip6'] as const)
    await sh('ip', ...ipOf(family), 'route', 'add', 'default', 'via', FAR[family]);
  await until(
    'they hear each other',
    async () => (await ping('ip', 0, 1)) && (await ping('ip6', 0, 1)),
    30_000,
  );
  db = await QubesDb.listen('/run/qubes', { entries: { '/vm-config/qos-uplink': 'up=5mbit' } });
  await sh('qubes-qos-tc', 'apply');
  assert.match(await sh('qubes-qos-tc', 'check'), /valid and in force/);
  assert.match(await sh('qubes-qos-tc', 'apply'), /^nothing to change/);
});

for (const family of ['ip', 'ip6'] as const) {
  check(`${family}: each class goes in its access category, and nothing has a DSCP in the air`, async () => {
    const seen = await countMarked(family);
    const sent: Record<string, readonly number[]> = {};
    for (const [name, [tos, priority]] of Object.entries(CLASSES)) {
      const before = await sentByPriority();
      assert.ok(await ping(family, tos, PACKETS));
      const rose = (await sentByPriority()).map((packets, tid) => packets - before[tid]!);
      sent[name] = rose;
      assert.ok(rose[priority]! >= PACKETS, `${name}: ${rose.join(' ')}`);
      if (priority !== 0) assert.ok(rose[0]! < 5, `${name}: ${rose.join(' ')}`);
    }
    assert.deepEqual(await seen(), { marked: 0, every: PACKETS * Object.keys(CLASSES).length });
    return sent;
  });
}

check('the filters are what does it: without them all is best effort; apply puts them back', async () => {
  await sh('tc', 'filter', 'delete', 'dev', 'wlan0', 'egress');
  const before = await sentByPriority();
  assert.ok(await ping('ip', CLASSES.ef[0], PACKETS));
  const rose = (await sentByPriority()).map((packets, tid) => packets - before[tid]!);
  assert.ok(rose[0]! >= PACKETS && rose[6] === 0, rose.join(' '));
  assert.match(await sh('qubes-qos-tc', 'apply'), /^changed wlan0/);
  assert.match(await sh('qubes-qos-tc', 'apply'), /^nothing to change/);
});

check('cleanup leaves nothing', async () => {
  await sh('qubes-qos-tc', 'cleanup');
  assert.doesNotMatch(await sh('tc', 'qdisc', 'show', 'dev', 'wlan0'), /clsact|htb/);
  await db.close();
});

const inFar = ['ip', 'netns', 'exec', 'far'] as const;

function ipOf(family: 'ip' | 'ip6'): string[] {
  return family === 'ip6' ? ['-6'] : [];
}

async function join(
  where: readonly string[],
  device: string,
  addresses: typeof HERE | typeof FAR,
): Promise<void> {
  const run = (...argv: string[]): Promise<string> => sh(...([...where, ...argv] as [string, ...string[]]));
  await run('sysctl', '-q', 'net.ipv6.conf.all.accept_dad=0', `net.ipv6.conf.${device}.accept_dad=0`);
  await run('iw', 'dev', device, 'set', 'type', 'ibss');
  await run('ip', 'link', 'set', device, 'up');
  await run('iw', 'dev', device, 'ibss', 'join', 'lab', '2412', 'fixed-freq', '02:11:22:33:44:55');
  await run('ip', 'address', 'add', `${addresses.ip}/24`, 'dev', device);
  await run('ip', 'address', 'add', `${addresses.ip6}/64`, 'dev', device);
}

/** True when all are answered. */
async function ping(family: 'ip' | 'ip6', tos: number, count: number): Promise<boolean> {
  const args = ['-q', '-c', `${count}`, '-i', '0.01', '-W', '1', '-Q', `${tos}`, TARGET[family]];
  return (await shWith({ okCodes: [0, 1, 2] }, 'ping', ...args)).exitCode === 0;
}

/** Packets that the radio has sent by user priority (TID), 0 to 7. */
async function sentByPriority(): Promise<number[]> {
  const dump = await sh('iw', 'dev', 'wlan0', 'station', 'dump', '-v');
  const rows = [...dump.matchAll(/^\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/gm)];
  return [0, 1, 2, 3, 4, 5, 6, 7].map((tid) => Number(rows.find(([, id]) => Number(id) === tid)?.[3] ?? NaN));
}

/** Echo requests that arrive from here on, and those with a DSCP. */
async function countMarked(family: 'ip' | 'ip6'): Promise<() => Promise<Record<string, number>>> {
  const kind = family === 'ip' ? 'icmp type echo-request' : 'icmpv6 type echo-request';
  const script = `table inet seen {}\ndelete table inet seen\ntable inet seen {
counter every { }
counter marked { }
chain in { type filter hook prerouting priority raw;
${kind} counter name every
${kind} ${family} dscp != cs0 counter name marked
}\n}\n`;
  await shWith({ stdin: script }, ...inFar, 'nft', '-f', '-');
  return async () => {
    const text = await sh(...inFar, 'nft', 'list', 'counters', 'table', 'inet', 'seen');
    const found = [...text.matchAll(/counter (\w+) \{\s+packets (\d+)/g)];
    return Object.fromEntries(found.map(([, name = '', packets]) => [name, Number(packets)]));
  };
}
