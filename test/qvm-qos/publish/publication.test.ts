import { describe, expect, test } from 'vitest';
import { derivedOf, having, ordinary, warningsOf, type Described } from './machine.js';

const EF = having({ 'vm-config.dscp': 'ef' });

describe('entries', () => {
  test('a machine without intent has none', () => {
    expect(derivedOf({})).toEqual([]);
  });

  test('a class is told to the first hop, and raises what the first hop may send', () => {
    expect(derivedOf({ work: { ...ordinary('work'), ...EF } })).toEqual([
      'sys-net qos.10.137.0.3: class=cs0 max=ef zero=keep ip6=fd09::3',
      'sys-firewall qos.10.137.0.5: class=ef max=ef zero=class ip6=fd09::5',
    ]);
  });

  test('a class below the default raises nothing', () => {
    expect(derivedOf({ work: { ...ordinary('work'), ...having({ 'vm-config.dscp': 'cs1' }) } })).toEqual([
      'sys-firewall qos.10.137.0.5: class=cs1 max=cs1 zero=class ip6=fd09::5',
    ]);
  });

  test.each(['cs0', ''])('class %j is plain', (value) => {
    expect(derivedOf({ work: { ...ordinary('work'), ...having({ 'vm-config.dscp': value }) } })).toEqual([]);
  });

  test('rules keep DSCP 0, and grant the best of them', () => {
    const rules = 'user:backup -> cs0; udp/3478-3481 -> ef; tcp/22 -> cs5';
    const work = having({ 'vm-config.dscp': 'cs2', 'vm-config.qos-rules': rules });
    expect(derivedOf({ work: { ...ordinary('work'), ...work } })[1]).toBe(
      'sys-firewall qos.10.137.0.5: class=cs2 max=ef zero=keep ip6=fd09::5',
    );
  });

  test.each(['ef ef; -> gold; ->; max=ef', '-> ef', 'user:a -> ef; user:b', 'user:a -> ef;'])(
    'what cannot be read grants nothing, and is said: %j',
    (rules) => {
      const changes = { work: { ...ordinary('work'), ...having({ 'vm-config.qos-rules': rules }) } };
      expect(derivedOf(changes)).toEqual([]);
      expect(warningsOf(changes)[0]).toMatch(/^vm-config\.qos-rules of work is not used: rule \d, /);
      const known = having({ 'vm-config.qos-rules': rules, 'vm-config.dscp': 'cs5' });
      expect(derivedOf({ work: { ...ordinary('work'), ...known } })[1]).toBe(
        'sys-firewall qos.10.137.0.5: class=cs5 max=cs5 zero=keep ip6=fd09::5',
      );
    },
  );

  test('a rule that only a newer agent knows is said; the others grant', () => {
    const rules = 'app:zoom -> ef; tcp/22 -> cs5';
    const changes = { work: { ...ordinary('work'), ...having({ 'vm-config.qos-rules': rules }) } };
    expect(derivedOf(changes)[1]).toBe(
      'sys-firewall qos.10.137.0.5: class=cs0 max=cs5 zero=keep ip6=fd09::5',
    );
    expect(warningsOf(changes)).toEqual([
      expect.stringContaining('vm-config.qos-rules of work: rule 1, "app:zoom -> ef", is left out'),
    ]);
  });

  test('a Tor gateway has its own class, not that of its clients', () => {
    expect(derivedOf({ 'anon-whonix': { ...ordinary('anon-whonix'), ...EF } })).toEqual([
      'sys-whonix qos.10.137.0.10: class=ef max=ef zero=class',
    ]);
  });

  test('so does a qube tagged as a tunnel, and the class of its own goes up', () => {
    const vpn = { netvm: 'sys-firewall', providesNetwork: true, ip: '10.137.0.20', tags: ['qos-tunnel'] };
    expect(
      derivedOf({
        'sys-vpn': { ...vpn, ...having({ 'vm-config.dscp': 'cs5' }) },
        work: { ...ordinary('work'), ...EF, netvm: 'sys-vpn' },
      }),
    ).toEqual([
      'sys-net qos.10.137.0.3: class=cs0 max=cs5 zero=keep ip6=fd09::3',
      'sys-vpn qos.10.137.0.5: class=ef max=ef zero=class ip6=fd09::5',
      'sys-firewall qos.10.137.0.20: class=cs5 max=cs5 zero=keep',
    ]);
  });

  test('limits alone make an entry of a plain client', () => {
    const work = having({ 'qos.limit': 'down=20mbit up=5mbit burst=64kb' });
    expect(derivedOf({ work: { ...ordinary('work'), ...work } })).toEqual([
      'sys-firewall qos.10.137.0.5: class=cs0 max=cs0 zero=class ip6=fd09::5 up=5mbit down=20mbit burst=64kb',
    ]);
  });

  test('a qube without network, dom0 and a RemoteVM have none', () => {
    expect(
      derivedOf({ vault: EF, dom0: { klass: 'AdminVM', ...EF }, far: { klass: 'RemoteVM', ...EF } }),
    ).toEqual([]);
  });

  test('two clients with one address get the least of the two', () => {
    const changes = {
      work: { ...ordinary('work'), ...having({ 'vm-config.dscp': 'ef', 'qos.limit': 'up=5mbit' }) },
      personal: {
        ...ordinary('personal'),
        ip: '10.137.0.5',
        ...having({ 'vm-config.dscp': 'cs1', 'qos.limit': 'up=1mbit down=2mbit' }),
      },
    };
    expect(derivedOf(changes)[1]).toBe(
      'sys-firewall qos.10.137.0.5: class=cs1 max=cs1 zero=class up=1mbit down=2mbit',
    );
    expect(warningsOf(changes)).toEqual([
      'personal: sys-firewall has another client with the address 10.137.0.5; both get the least of the two.',
    ]);
  });

  test('a ring of netvms ends', () => {
    const ring = (netvm: string, ip: string): Described => ({ netvm, ip, providesNetwork: true });
    expect(
      derivedOf({
        a: ring('b', '10.0.0.1'),
        b: ring('a', '10.0.0.2'),
        c: { netvm: 'a', ip: '10.0.0.3', ...EF },
      }),
    ).toEqual([
      'b qos.10.0.0.1: class=cs0 max=ef zero=keep',
      'a qos.10.0.0.2: class=cs0 max=ef zero=keep',
      'a qos.10.0.0.3: class=ef max=ef zero=class',
    ]);
  });

  test.each(['10.137.0', '10.137.0.5; max=ef', '::1'])('no entry for the address %j', (ip) => {
    const changes = { work: { ...ordinary('work'), ip, ...EF } };
    expect(derivedOf(changes).filter((line) => line.startsWith('sys-firewall'))).toEqual([]);
    expect(warningsOf(changes)[0]).toMatch(/^work: its ip is ".*", which is no IPv4 address/);
  });

  test('an address of IPv6 that is none is left out', () => {
    expect(derivedOf({ work: { ...ordinary('work'), ip6: 'x max=ef', ...EF } })[1]).toBe(
      'sys-firewall qos.10.137.0.5: class=ef max=ef zero=class',
    );
  });
});

describe('values that cannot be used never promote', () => {
  test.each(['EF', 'ef ', 'ef; x', 'af41'])('class %j', (value) => {
    const changes = { work: { ...ordinary('work'), ...having({ 'vm-config.dscp': value }) } };
    expect(derivedOf(changes)).toEqual([]);
    expect(warningsOf(changes)[0]).toMatch(/^vm-config\.dscp of work is ".*", which is no class/);
  });

  test.each(['up=fast', 'up=1mbit up=2mbit', 'x'])('limit %j', (value) => {
    const changes = { work: { ...ordinary('work'), ...having({ 'qos.limit': value }) } };
    expect(derivedOf(changes)).toEqual([]);
    expect(warningsOf(changes)[0]).toMatch(/^qos\.limit of work is not used: /);
  });

  test.each(['class=gold', 'ef', 'class=ef class=ef'])('policy %j', (value) => {
    const changes = {
      dom0: { klass: 'AdminVM', ...having({ 'qos.policy.calls': value }) },
      work: { ...ordinary('work'), ...having({ 'qos.attach': 'calls' }) },
    };
    expect(derivedOf(changes)).toEqual([]);
    expect(warningsOf(changes)).toHaveLength(2);
  });
});
