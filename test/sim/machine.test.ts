import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { setFeature } from '@qubes-qos/qvm-qos/qubesd/features';
import { AdminClient } from '@qubes-qos/qvm-qos/qubesd/client';
import { MachineModel } from './machine.js';
import { QubesDb } from './qubesdb.js';
import { Qubesd } from './qubesd.js';

let dir: string;
const daemons: { close: () => unknown }[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'machine-'));
});

afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.close();
  await rm(dir, { recursive: true });
});

test('what dom0 sets is in the QubesDB of the qube before the Set is answered', async () => {
  const { machine, database } = await boot();
  const socketPath = join(dir, 'qubesd.sock');
  daemons.push(await Qubesd.listen(socketPath, machine));
  const client = new AdminClient({ socketPath });
  await setFeature((request) => client.call(request), 'work', 'vm-config.dscp', 'ef');
  expect(textAt(database, '/vm-config/dscp')).toBe('ef');
});

test('a qube finds in its QubesDB what qubesd knows of it', async () => {
  const { machine, database, netvmDatabase } = await boot();
  expect(textAt(database, '/name')).toBe('work');
  expect(textAt(database, '/type')).toBe('AppVM');
  expect(textAt(database, '/qubes-vm-type')).toBe('AppVM');
  expect(textAt(database, '/qubes-ip')).toBe('10.137.0.5');
  expect(textAt(database, '/qubes-ip6')).toBe('fd09:24ef:4179::a89:5');
  expect(textAt(netvmDatabase, '/qubes-vm-type')).toBe('NetVM');
  expect(textAt(netvmDatabase, '/connected-ips')).toBe('10.137.0.5');
  machine.setNetvm('work', null);
  expect(textAt(netvmDatabase, '/connected-ips')).toBe('');
  machine.resetNetvm('work');
  expect(textAt(netvmDatabase, '/connected-ips')).toBe('10.137.0.5');
});

test('a QubesDB that refuses a value makes the Set fail, with the value stored', async () => {
  const { machine, database } = await boot();
  expect(() => machine.setFeature('work', 'vm-config.dscp', 'a\0b')).toThrow(
    'the daemon refuses /vm-config/dscp',
  );
  expect(database.read('/vm-config/dscp')).toBeUndefined();
  expect(machine.qube('work').features.get('vm-config.dscp')).toBe('a\0b');
});

async function boot(): Promise<{ machine: MachineModel; database: QubesDb; netvmDatabase: QubesDb }> {
  const machine = new MachineModel({
    defaultNetvm: 'sys-net',
    qubes: [
      { name: 'sys-net', netvm: null, providesNetwork: true, running: true, ip: '10.137.0.2' },
      { name: 'work', running: true, ip: '10.137.0.5', ip6: 'fd09:24ef:4179::a89:5' },
    ],
  });
  const database = await QubesDb.listen(join(dir, 'work'));
  const netvmDatabase = await QubesDb.listen(join(dir, 'sys-net'));
  daemons.push(database, netvmDatabase);
  machine.attachQubesdb('work', database);
  machine.attachQubesdb('sys-net', netvmDatabase);
  return { machine, database, netvmDatabase };
}

function textAt(database: QubesDb, path: string): string | undefined {
  const value = database.read(path);
  return value && Buffer.from(value).toString();
}
