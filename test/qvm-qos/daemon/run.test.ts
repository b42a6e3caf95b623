import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { runDaemon } from '@qubes-qos/qvm-qos/daemon/run';
import { AdminClient } from '@qubes-qos/qvm-qos/qubesd/client';
import { MachineModel } from '../../sim/machine.js';
import type { MachineDescription } from '../../sim/machine-types.js';
import { Qubesd, type Intercept } from '../../sim/qubesd.js';

const QUBES: MachineDescription = {
  defaultNetvm: 'sys-firewall',
  qubes: [
    { name: 'sys-net', netvm: null, providesNetwork: true, running: true, ip: '10.137.0.2' },
    { name: 'sys-firewall', netvm: 'sys-net', providesNetwork: true, running: true, ip: '10.137.0.3' },
    { name: 'sys-vpn', netvm: 'sys-firewall', providesNetwork: true, ip: '10.137.0.4' },
    { name: 'work', running: true, ip: '10.137.0.5' },
    { name: 'personal', running: true, ip: '10.137.0.6' },
  ],
};

let directory: string;
let machine: MachineModel;
let qubesd: Qubesd | undefined;
let stop: AbortController;
let ended: Promise<void> | undefined;

beforeEach(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  directory = await mkdtemp(join(tmpdir(), 'daemon-'));
  machine = new MachineModel(QUBES);
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await ended;
  await qubesd?.close();
  await rm(directory, { recursive: true });
  vi.restoreAllMocks();
});

async function serve(intercept?: Intercept): Promise<void> {
  qubesd = await Qubesd.listen(join(directory, 'qubesd.sock'), machine, intercept);
}

function runService(): void {
  const client = new AdminClient({ socketPath: join(directory, 'qubesd.sock') });
  ended = runDaemon(
    {
      call: (request) => client.call(request),
      events: (destination, signal) => client.events(destination, signal),
    },
    stop.signal,
  );
}

/** `QUBE ADDRESS CLASS MAX` of all entries. */
function entries(): string[] {
  return machine
    .qubes()
    .flatMap(({ name, features }) =>
      [...features].flatMap(([feature, value]) => {
        const address = /^vm-config\.qos\.(.*)$/.exec(feature)?.[1];
        const [, className, max] = /^class=(\S+) max=(\S+)/.exec(value) ?? [];
        return address === undefined ? [] : [`${name} ${address} ${className ?? value} ${max ?? ''}`];
      }),
    )
    .sort();
}

async function expectEntries(expected: readonly string[]): Promise<void> {
  await vi.waitFor(() => expect(entries()).toEqual(expected), { timeout: 20_000, interval: 10 });
}

const WORK_EF = ['sys-firewall 10.137.0.5 ef ef', 'sys-net 10.137.0.3 cs0 ef'];

describe('the service', () => {
  test('follows what is set by others, from the start on', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    await serve();
    runService();
    await expectEntries(WORK_EF);
    const believes = (): string | undefined =>
      machine.qube('sys-firewall').features.get('vm-config.qos-enforce');
    await vi.waitFor(() => expect(believes()).toBe('1'));
    machine.removeFeature('work', 'vm-config.dscp');
    await expectEntries([]);
  });

  test('follows rules inside a qube, own ones and those of a policy', async () => {
    await serve();
    runService();
    machine.setFeature('work', 'vm-config.qos-rules', 'tcp/22 -> cs5; user:backup -> cs1');
    await expectEntries(['sys-firewall 10.137.0.5 cs0 cs5', 'sys-net 10.137.0.3 cs0 cs5']);
    machine.setFeature('work', 'vm-config.qos-rules', 'tcp/22 -> cs5 user:backup -> cs1');
    await expectEntries([]);
    machine.setFeature('dom0', 'qos.policy.calls', 'rules=udp/3478->ef');
    machine.setFeature('work', 'qos.attach', 'calls');
    machine.removeFeature('work', 'vm-config.qos-rules');
    await expectEntries(['sys-firewall 10.137.0.5 cs0 ef', 'sys-net 10.137.0.3 cs0 ef']);
    const given = (): string | undefined => machine.qube('work').features.get('vm-config.qos-policy-rules');
    await vi.waitFor(() => expect(given()).toBe('udp/3478->ef'));
    machine.removeFeature('work', 'qos.attach');
    await expectEntries([]);
    await vi.waitFor(() => expect(given()).toBeUndefined());
  });

  test('follows a netvm, a reset, the default netvm, tags, policies, new and deleted qubes', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    await serve();
    runService();
    await expectEntries(WORK_EF);
    machine.setNetvm('work', 'sys-net');
    await expectEntries(['sys-net 10.137.0.5 ef ef']);
    machine.resetNetvm('work');
    await expectEntries(WORK_EF);
    machine.setDefaultNetvm('sys-net');
    await expectEntries(['sys-net 10.137.0.5 ef ef']);
    machine.setDefaultNetvm('sys-firewall');
    await expectEntries(WORK_EF);
    machine.setFeature('dom0', 'qos.policy.calls', 'class=cs5 tags=meeting');
    machine.addTag('personal', 'meeting');
    await expectEntries([WORK_EF[0]!, 'sys-firewall 10.137.0.6 cs5 cs5', WORK_EF[1]!]);
    machine.removeTag('personal', 'meeting');
    machine.create({ name: 'disp1', class: 'DispVM', ip: '10.138.0.1', tags: ['meeting'] });
    await expectEntries([WORK_EF[0]!, 'sys-firewall 10.138.0.1 cs5 cs5', WORK_EF[1]!]);
    machine.delete('disp1');
    await expectEntries(WORK_EF);
    machine.start('sys-vpn');
    machine.setFeature('sys-vpn', 'vm-config.dscp', 'cs1');
    machine.setNetvm('work', 'sys-vpn');
    await expectEntries([
      'sys-firewall 10.137.0.4 cs1 ef',
      'sys-net 10.137.0.3 cs0 ef',
      'sys-vpn 10.137.0.5 ef ef',
    ]);
  });

  test('puts back what something else changed', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    await serve();
    runService();
    await expectEntries(WORK_EF);
    machine.setFeature('sys-firewall', 'vm-config.qos.10.137.0.6', 'class=ef max=ef');
    machine.removeFeature('sys-firewall', 'vm-config.qos.10.137.0.5');
    await expectEntries(WORK_EF);
  });

  test('converges after changes that it did not see: qubesd restarted', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    await serve();
    runService();
    await expectEntries(WORK_EF);
    await qubesd?.close();
    machine.removeFeature('work', 'vm-config.dscp');
    machine.setFeature('personal', 'vm-config.dscp', 'cs5');
    machine.setNetvm('personal', 'sys-net');
    await serve();
    await expectEntries(['sys-net 10.137.0.6 cs5 cs5']);
    machine.setFeature('personal', 'vm-config.dscp', 'cs1');
    await expectEntries(['sys-net 10.137.0.6 cs1 cs1']);
  });

  test('waits for a qubesd that is not there yet', async () => {
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    runService();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await serve();
    await expectEntries(WORK_EF);
  });

  test('tries again what was refused', async () => {
    let refusals = 2;
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    await serve(({ method, argument }) =>
      method === 'admin.vm.feature.Set' && argument === 'vm-config.qos.10.137.0.5' && refusals-- > 0
        ? 'close'
        : undefined,
    );
    runService();
    await expectEntries(WORK_EF);
  });

  test('a change costs requests for the qubes that it is about, however many there are', async () => {
    for (let index = 0; index < 100; index++)
      machine.create({ name: `qube${index}`, ip: `10.137.1.${index}` });
    machine.setFeature('work', 'vm-config.dscp', 'ef');
    await serve();
    runService();
    await expectEntries(WORK_EF);
    await new Promise((resolve) => setTimeout(resolve, 400));
    const before = qubesd!.requests.length;
    machine.setFeature('personal', 'vm-config.dscp', 'cs1');
    await expectEntries([WORK_EF[0]!, 'sys-firewall 10.137.0.6 cs1 cs1', WORK_EF[1]!]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(qubesd!.requests.length - before).toBeLessThan(25);
  });

  test('a hundred changes at once are one pass or two, and the last counts', async () => {
    await serve();
    runService();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = qubesd!.requests.length;
    for (let index = 0; index < 100; index++)
      machine.setFeature('work', 'vm-config.dscp', index % 2 === 0 ? 'cs1' : 'ef');
    await expectEntries(WORK_EF);
    expect(qubesd!.requests.length - before).toBeLessThan(60);
  });
});
