// Checks that what the mangle agent puts in force holds for real packets on the users' kernel and nft.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { makeUplink, tosOf } from '../capture.js';
import { check } from '../check.js';
import { sh, shWith, until } from '../run.js';
import { QubesDb } from '../../../sim/qubesdb.js';

const CLASSES = { ef: 46, cs5: 40, cs0: 0, cs2: 16, cs1: 8 } as const;

let qubesdb: QubesDb;

check('the qube has an uplink and a QubesDB', async () => {
  qubesdb = await QubesDb.listen('/run/qubes');
  await makeUplink();
});

check('no policy: nothing is marked, and there is no table', async () => {
  await sh('qubes-qos-mangle', 'apply');
  assert.deepEqual(await tosOf('ip'), [0]);
  assert.deepEqual(await tosOf('ip6', { tos: 0x68 }), [0x68]);
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
      assert.deepEqual(await tosOf('ip', { tos: 0x68 }), [dscp << 2]);
      assert.deepEqual(await tosOf('ip6', { tos: 0x68 }), [dscp << 2]);
    },
  );
}

check('defect of the original: IPv4 only. TCP and ICMP are marked in both families', async () => {
  qubesdb.write('/vm-config/dscp', 'ef');
  await sh('qubes-qos-mangle', 'apply');
  for (const family of ['ip', 'ip6'] as const) {
    assert.deepEqual(await tosOf(family, { protocol: 'tcp' }), [0xb8]);
    assert.deepEqual(await tosOf(family, { protocol: 'icmp' }), [0xb8]);
  }
});

check('ECN stays as the program set it', async () => {
  for (const ecn of [1, 2, 3]) {
    assert.deepEqual(await tosOf('ip', { tos: ecn }), [0xb8 | ecn]);
    assert.deepEqual(await tosOf('ip6', { tos: 0x68 | ecn }), [0xb8 | ecn]);
  }
});

check('defect of the original: the output hook also marks loopback', async () => {
  assert.deepEqual(await tosOf('loopback'), [0]);
  assert.deepEqual(await tosOf('loopback6', { tos: 0x68 }), [0x68]);
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
  await until('nothing is marked', async () => (await tosOf('ip6', { tos: 0x68 })).join() === '104');
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
