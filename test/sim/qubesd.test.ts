import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_RECORDINGS, RECORDED_MACHINE, recordedBytes, type AdminRecording } from './admin-recording.js';
import { MachineModel } from './machine.js';
import type { MachineEvent } from './machine-types.js';
import { Qubesd } from './qubesd.js';
import { RawConnection } from './raw-connection.js';

/**
 * What was done beside each recorded event stream: requests, or what has no request in the simulator.
 * Recordings that cannot be replayed would be listed here with the reason; there is none.
 */
const ACTIONS: Readonly<Record<string, readonly (string | ((machine: MachineModel) => void))[]>> = {
  'events-qvm-features-set-new': ['admin.vm.feature.Set+vm-config.dscp dom0 name work\0ef'],
  'events-qvm-features-overwrite': ['admin.vm.feature.Set+vm-config.dscp dom0 name work\0af41'],
  'events-feature-set-same-value': ['admin.vm.feature.Set+vm-config.dscp dom0 name work\0af41'],
  'events-feature-set-empty': ['admin.vm.feature.Set+vm-config.dscp dom0 name work\0'],
  'events-qvm-features-unset': ['admin.vm.feature.Remove+vm-config.dscp dom0 name work\0'],
  'events-feature-set-rejected': ['admin.vm.feature.Set+vm-config.1a dom0 name work\0x'],
  'events-feature-set-halted': [
    'admin.vm.feature.Set+vm-config.dscp dom0 name vault\0cs1',
    'admin.vm.feature.Remove+vm-config.dscp dom0 name vault\0',
  ],
  'events-only-work': [
    'admin.vm.feature.Set+vm-config.dscp dom0 name untrusted\0cs1',
    'admin.vm.feature.Set+vm-config.dscp dom0 name work\0cs1',
    'admin.vm.feature.Remove+vm-config.dscp dom0 name work\0',
  ],
  'events-tags': ['admin.vm.tag.Set+foo dom0 name work\0', 'admin.vm.tag.Remove+foo dom0 name work\0'],
  'events-netvm-change-halted': [
    'admin.vm.property.Set+netvm dom0 name personal\0sys-firewall',
    'admin.vm.property.Set+netvm dom0 name personal\0sys-vpn',
  ],
  'events-label': [
    'admin.vm.property.Set+label dom0 name work\0green',
    'admin.vm.property.Set+label dom0 name work\0blue',
  ],
  'events-vm-create-remove': [
    (machine) => machine.create({ name: 'tmpvm' }),
    (machine) => machine.delete('tmpvm'),
  ],
};

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qubesd-'));
});

afterAll(async () => {
  await rm(dir, { recursive: true });
});

describe('every recorded conversation, in order, on one machine', () => {
  const machine = new MachineModel(RECORDED_MACHINE);
  let qubesd: Qubesd;
  let path: string;

  beforeAll(async () => {
    path = join(dir, 'recorded.sock');
    qubesd = await Qubesd.listen(path, machine);
  });

  afterAll(() => qubesd.close());

  test.each(ADMIN_RECORDINGS.map((recording) => [recording.name, recording] as const))(
    '%s',
    async (name, recording) => {
      const expected = normalise(recordedBytes(recording, 's2c'));
      const connection = await RawConnection.open(path);
      connection.send(recordedBytes(recording, 'c2s'));
      if (hasHalfClose(recording)) connection.halfClose();
      if (name.startsWith('events-')) {
        await connection.take('1\0\0connection-established\0\0'.length);
        for (const action of ACTIONS[name] ?? []) await act(action);
        expect(normalise(await connection.take(expected.length))).toBe(expected);
      } else if (hasHalfClose(recording)) {
        expect(normalise(await connection.all())).toBe(expected);
      } else {
        // A whole exchange on another connection passes, and this one is still without an answer.
        expect(await ask('admin.vm.List+ dom0 name work\0')).not.toBe('');
        expect(connection.received.length).toBe(0);
      }
      connection.close();
    },
  );

  async function act(action: string | ((machine: MachineModel) => void)): Promise<void> {
    if (typeof action === 'string') await ask(action);
    else action(machine);
  }

  async function ask(request: string): Promise<string> {
    const connection = await RawConnection.open(path);
    connection.send(Buffer.from(request, 'latin1'));
    connection.halfClose();
    return (await connection.all()).toString('latin1');
  }
});

describe('what the real one does to QubesDB', () => {
  let machine: MachineModel;
  let database: Map<string, string>;
  let log: string[];
  let events: MachineEvent[];

  function boot(): void {
    machine = new MachineModel(RECORDED_MACHINE);
    database = new Map();
    log = [];
    events = [];
    machine.attachQubesdb('work', {
      write: (path, value) => {
        log.push(`write ${path} ${value}`);
        database.set(path, value);
      },
      remove: (path) => {
        log.push(`rm ${path}`);
        database.delete(path);
      },
    });
    log.length = 0;
    machine.onEvent((event) => events.push(event));
  }

  afterEach(() => {
    events.length = 0;
  });

  test('exactly one write for a Set, before the event, and one rm for a Remove', () => {
    boot();
    let seenAtEvent: string | undefined;
    machine.onEvent(({ event }) => {
      if (event === 'domain-feature-set:vm-config.dscp') seenAtEvent = database.get('/vm-config/dscp');
    });
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    machine.setFeature('work', 'menu-items', '2');
    machine.removeFeature('work', 'vm-config.dscp');
    expect(seenAtEvent).toBe('ef');
    expect(log).toEqual(['write /vm-config/dscp ef', 'rm /vm-config/dscp']);
  });

  test('a halted qube gets its keys at its next start, before anything of it runs', () => {
    boot();
    machine.shutdown('work');
    machine.setFeature('work', 'vm-config.dscp', 'cs1');
    expect(log).toEqual([]);
    machine.attachQubesdb('work', {
      write: (path, value) => database.set(path, value),
      remove: () => undefined,
    });
    machine.start('work');
    expect(database.get('/vm-config/dscp')).toBe('cs1');
    expect(database.get('/qubes-vm-type')).toBe('AppVM');
    expect(events.map(({ event }) => event)).toContain('domain-qdb-create');
  });

  test('a change of netvm writes every key again', () => {
    boot();
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    log.length = 0;
    machine.setNetvm('work', 'sys-vpn');
    expect(log).toContain('write /vm-config/dscp ef');
    expect(log).toContain('write /qubes-gateway 10.137.0.4');
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['domain-qdb-create', 'net-domain-connect', 'property-set:netvm']),
    );
  });

  test.each([
    ['a name that qubesd refused', 'vm-config.1a', 'x'],
    ['a value over 3071 bytes', 'vm-config.big', 'd'.repeat(3072)],
  ])('%s is stored all the same', (_, feature, value) => {
    boot();
    expect(() => machine.setFeature('work', feature, value)).toThrow();
    expect(machine.qube('work').features.get(feature)).toBe(value);
  });

  test('a value over 3071 bytes, set while the qube is halted, keeps it from starting', () => {
    boot();
    machine.shutdown('work');
    machine.setFeature('work', 'vm-config.big', 'd'.repeat(3072));
    expect(() => machine.start('work')).toThrow('QubesDB refuses a value of 3072 bytes');
    expect(machine.qube('work').state).toBe('Halted');
    expect(events.map(({ event }) => event)).toContain('domain-start-failed');
  });

  test('a qube that follows the default hears of a change of default_netvm', () => {
    boot();
    machine.setDefaultNetvm('sys-vpn');
    expect(database.get('/qubes-gateway')).toBe('10.137.0.4');
    expect(events.filter(({ subject }) => subject === 'work').map(({ event }) => event)).toEqual([
      'domain-qdb-create',
      'property-set:netvm',
      'property-reset:netvm',
    ]);
    expect(events.some(({ subject }) => subject === 'personal')).toBe(false);
  });
});

function hasHalfClose({ exchanges }: AdminRecording): boolean {
  return exchanges.some(({ dir: from, eof }) => from === 'c2s' && eof === true);
}

/** As text, with the random uuids of the recording replaced. */
function normalise(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '?'.repeat(36));
}
