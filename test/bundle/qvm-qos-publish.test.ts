import { afterEach, describe, expect, test } from 'vitest';
import { Dom0 } from './dom0.js';
import { expectPage } from './page.js';

let dom0: Dom0;

afterEach(() => dom0.close());

async function boot(): Promise<void> {
  dom0 = await Dom0.boot();
}

/** `QUBE FEATURE=VALUE` of everything that is derived. */
function derived(): string[] {
  return dom0.machine
    .qubes()
    .flatMap(({ name, features }) =>
      [...features]
        .filter(([feature]) => /^vm-config\.qos[.-](?!uplink|rules)/.test(feature))
        .map(([feature, value]) => `${name} ${feature.replace('vm-config.', '')}=${value}`),
    )
    .sort();
}

describe('pages of documentation', () => {
  test('limits', async () => {
    await boot();
    await expectPage(dom0, 'Limits of a qube', 'limit', [
      'limit untrusted',
      '-v limit untrusted --up 5mbit --down 20mbit',
      'limit untrusted',
      'limit untrusted --burst 256kb',
      '--json limit untrusted --up 2mbit',
      'limit untrusted --down off',
      'limit untrusted',
      'limit mail --up 1mbit',
      'limit vault --up 1mbit',
      '-v limit untrusted --none',
      'limit untrusted --up 5mbps',
      'limit untrusted --burst 1gb',
      'limit untrusted --burst 64kb',
      'limit untrusted --none --up 1mbit',
      'limit dom0 --up 1mbit',
      'limit nosuch',
    ]);
  });

  test('whose word counts', async () => {
    await boot();
    await expectPage(dom0, "dom0's word or the packet's", 'enforce', [
      'enforce sys-firewall',
      'set work ef',
      'enforce sys-firewall',
      'enforce sys-firewall off',
      '-v set work cs5',
      'enforce sys-firewall',
      '-v enforce sys-firewall on',
      '--json enforce sys-firewall --none',
      'enforce sys-firewall maybe',
      'enforce sys-firewall on --none',
      'enforce work on',
      'enforce nosuch on',
    ]);
  });

  test('all at once', async () => {
    await boot();
    dom0.machine.setFeature('work', 'vm-config.dscp', 'ef');
    dom0.machine.setFeature('personal', 'vm-config.dscp', 'EF');
    dom0.machine.setFeature('sys-net', 'vm-config.qos.10.137.0.5', 'class=ef max=ef');
    await expectPage(dom0, 'Telling the NetVMs', 'sync', [
      'sync --dry-run',
      '-v sync',
      'sync',
      '--json sync --dry-run',
    ]);
  });
});

test('a command and sync end in the same state', async () => {
  await boot();
  await dom0.type(['set', 'work', 'anon-whonix', 'ef']);
  await dom0.type(['limit', 'personal', '--up', '3mbit']);
  const before = derived();
  expect(before).toEqual([
    'sys-firewall qos-enforce=1',
    'sys-firewall qos.10.137.0.5=class=ef max=ef zero=class',
    'sys-firewall qos.10.137.0.6=class=cs0 max=cs0 zero=class up=3mbit',
    'sys-net qos-enforce=1',
    'sys-net qos.10.137.0.3=class=cs0 max=ef zero=keep',
    'sys-whonix qos-enforce=1',
    'sys-whonix qos.10.137.0.10=class=ef max=ef zero=class',
  ]);
  expect((await dom0.type(['sync', '--dry-run'])).stdout).toBe('');
  for (const line of before) {
    const [, qube = '', feature = ''] = /^(\S+) (qos[^=]*)=/.exec(line) ?? [];
    dom0.machine.removeFeature(qube, `vm-config.${feature}`);
  }
  await dom0.type(['sync']);
  expect(derived()).toEqual(before);
});

test('a qube that moves to another NetVM is forgotten by the first', async () => {
  await boot();
  await dom0.type(['set', 'work', 'ef']);
  dom0.machine.setNetvm('work', 'sys-net');
  await dom0.type(['sync']);
  expect(derived()).toEqual([
    'sys-firewall qos-enforce=1',
    'sys-net qos-enforce=1',
    'sys-net qos.10.137.0.5=class=ef max=ef zero=class',
  ]);
});

test('two commands at once leave nothing undone', async () => {
  await boot();
  await Promise.all([
    dom0.type(['set', 'work', 'ef']),
    dom0.type(['set', 'personal', 'cs1']),
    dom0.type(['limit', 'untrusted', '--up', '1mbit']),
  ]);
  expect((await dom0.type(['sync', '--dry-run'])).stdout).toBe('');
});
