import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listQubes } from '@qubes-qos/qvm-qos/qubesd/admin';
import { AdminClient } from '@qubes-qos/qvm-qos/qubesd/client';
import type { AdminRequest } from '@qubes-qos/qvm-qos/qubesd/codec';
import { getFeature, removeFeature, setFeature } from '@qubes-qos/qvm-qos/qubesd/features';
import { RECORDED_MACHINE } from '../../sim/admin-recording.js';
import { MachineModel } from '../../sim/machine.js';
import { Qubesd, type Intercept } from '../../sim/qubesd.js';

const LIST: AdminRequest = { method: 'admin.vm.List', destination: 'dom0' };

let dir: string;
let socketPath: string;
let machine: MachineModel;
let qubesd: Qubesd | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvm-qos-'));
  socketPath = join(dir, 'qubesd.sock');
  machine = new MachineModel(RECORDED_MACHINE);
});

afterEach(async () => {
  await qubesd?.close();
  qubesd = undefined;
  await rm(dir, { recursive: true });
});

async function serve(intercept?: Intercept): Promise<AdminClient> {
  qubesd = await Qubesd.listen(socketPath, machine, intercept);
  return new AdminClient({ socketPath });
}

describe('call', () => {
  test('returns the content of the reply', async () => {
    const client = await serve();
    expect(await listQubes((request) => client.call(request))).toContainEqual({
      name: 'work',
      klass: 'AppVM',
      state: 'Running',
    });
  });

  test('an empty reply is an error of its own', async () => {
    const client = await serve(() => 'close');
    await expect(client.call(LIST)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('closed the connection without an answer') as string,
    });
  });

  test('a silent qubesd is a time-out', async () => {
    await serve(() => 'silence');
    const client = new AdminClient({ socketPath, timeoutMs: 20 });
    await expect(client.call(LIST)).rejects.toMatchObject({
      kind: 'timeout',
      message:
        'qubesd did not answer admin.vm.List for dom0 within 0.02 s; whether it was done is not known.',
    });
  });

  test('garbage is a fault of the protocol', async () => {
    const client = await serve(() => Buffer.from('HTTP/1.1 400 Bad Request\r\n'));
    await expect(client.call(LIST)).rejects.toMatchObject({ kind: 'protocol' });
  });

  test('a reply without end is cut off', async () => {
    const client = await serve(() => Buffer.alloc(17 * 1024 * 1024, '0\0'));
    await expect(client.call(LIST)).rejects.toMatchObject({ kind: 'protocol' });
  });

  test('no socket: says where, and what was expected', async () => {
    await expect(new AdminClient({ socketPath }).call(LIST)).rejects.toMatchObject({
      kind: 'connection',
      message: `no qubesd at ${socketPath}: expected to run in dom0, with qubesd running.`,
    });
  });

  test('a socket file that nobody serves', async () => {
    await writeFile(socketPath, '');
    await expect(new AdminClient({ socketPath }).call(LIST)).rejects.toMatchObject({
      kind: 'connection',
      message: `qubesd does not answer at ${socketPath}: it is not running; try sudo systemctl restart qubesd.`,
    });
  });
});

describe('setFeature', () => {
  test('sends nothing that qubesd would store and then choke on', async () => {
    const client = await serve();
    const call = (request: AdminRequest): Promise<string> => client.call(request);
    for (const [name, value] of [
      ['1a', 'x'],
      ['', 'x'],
      ['k'.repeat(53), 'x'],
      ['dscp', 'ef\n'],
      ['dscp', 'é'],
      ['dscp', 'd'.repeat(3072)],
    ] as const) {
      await expect(setFeature(call, 'work', `vm-config.${name}`, value)).rejects.toMatchObject({
        kind: 'policy',
      });
    }
    expect(qubesd?.requests).toEqual([]);
  });

  test('writes, reads and removes', async () => {
    const client = await serve();
    const call = (request: AdminRequest): Promise<string> => client.call(request);
    await setFeature(call, 'work', 'vm-config.dscp', 'ef');
    expect(await getFeature(call, 'work', 'vm-config.dscp')).toBe('ef');
    expect(await removeFeature(call, 'work', 'vm-config.dscp')).toBe(true);
    expect(await removeFeature(call, 'work', 'vm-config.dscp')).toBe(false);
    expect(await getFeature(call, 'work', 'vm-config.dscp')).toBeUndefined();
  });

  test.each([[undefined], ['cs1']])(
    'after a Set that was stored although it failed, the qube has what it had: %s',
    async (before) => {
      let isBroken = false;
      machine.attachQubesdb('work', {
        write: () => {
          if (isBroken) throw new Error('qubesdb.Error');
        },
        remove: () => undefined,
      });
      if (before !== undefined) machine.setFeature('work', 'vm-config.dscp', before);
      const client = await serve(({ method, payload }) => {
        // Only the first Set finds the QubesDB of the qube broken.
        isBroken = method === 'admin.vm.feature.Set' && payload === 'ef';
        return undefined;
      });
      const attempt = setFeature((request) => client.call(request), 'work', 'vm-config.dscp', 'ef');
      await expect(attempt).rejects.toMatchObject({ kind: 'refused' });
      expect(machine.qube('work').features.get('vm-config.dscp')).toBe(before);
    },
  );

  test('says so when the value from before cannot be put back', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'cs1');
    machine.attachQubesdb('work', {
      write: (path) => {
        if (path === '/vm-config/dscp' && qubesd !== undefined) throw new Error('qubesdb.Error');
      },
      remove: () => undefined,
    });
    const client = await serve();
    await expect(
      setFeature((request) => client.call(request), 'work', 'vm-config.dscp', 'ef'),
    ).rejects.toMatchObject({
      message: expect.stringMatching(/; vm-config\.dscp is now unset\.$/) as string,
    });
    expect(machine.qube('work').features.has('vm-config.dscp')).toBe(false);
  });

  test('leaves alone what a denied Set did not change', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'cs1');
    const client = await serve(({ method }) => (method === 'admin.vm.feature.Set' ? 'close' : undefined));
    await expect(
      setFeature((request) => client.call(request), 'work', 'vm-config.dscp', 'ef'),
    ).rejects.toMatchObject({
      kind: 'refused',
    });
    expect(machine.qube('work').features.get('vm-config.dscp')).toBe('cs1');
  });
});

describe('events', () => {
  test('come as they happen, and end with the signal', async () => {
    const client = await serve();
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const { subject, event } of client.events('dom0', stop.signal)) {
      seen.push(`${subject} ${event}`);
      if (event === 'connection-established') machine.setFeature('work', 'vm-config.dscp', 'ef');
      if (event === 'domain-feature-set:vm-config.dscp') stop.abort();
    }
    expect(seen).toEqual([
      ' connection-established',
      'work domain-feature-pre-set:vm-config.dscp',
      'work domain-feature-set:vm-config.dscp',
    ]);
  });

  test('end when qubesd goes away', async () => {
    const client = await serve();
    const seen: string[] = [];
    for await (const { event } of client.events('dom0')) {
      seen.push(event);
      await qubesd?.close();
    }
    expect(seen).toEqual(['connection-established']);
    qubesd = undefined;
  });

  test('of an unknown qube are an error', async () => {
    const client = await serve();
    await expect(client.events('nosuch').next()).rejects.toMatchObject({ kind: 'no-such-domain' });
  });

  test('never begin when the signal was aborted before', async () => {
    const client = await serve();
    expect(await client.events('dom0', AbortSignal.abort()).next()).toEqual({ done: true, value: undefined });
  });
});
