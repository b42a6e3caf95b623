// What a tunnel costs on the line, and that one line is shaped once.
import type { Link } from '@qubes-qos/core/links';
import { mergeConfig, parseFileSettings } from '@qubes-qos/core/tc-config';
import { planTc, type DevicePlan } from '@qubes-qos/tc-agent/plan';
import { expect, test } from 'vitest';

const card: Link = { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 };
const wg: Link = {
  ...{ ifindex: 5, ifname: 'wg0', group: 0, kind: 'wireguard', up: true, mtu: 1420, headerless: true },
};
const tunnelled = (toml: object, tunnels: Link[] = [wg], feature?: string): DevicePlan[] =>
  planTc({
    links: [card, ...tunnels],
    routes: [card, ...tunnels].map(({ ifname }) => ({
      dst: 'default',
      dev: ifname,
      metric: 0,
      direct: true,
    })),
    config: mergeConfig([{ source: 'a', settings: parseFileSettings('a', toml) }], {
      ...(feature !== undefined && { 'qos-uplink': feature }),
    }),
    missing: new Set(),
  });
const one = (plans: DevicePlan[], ifname: string): DevicePlan =>
  plans.find(({ link }) => link.ifname === ifname)!;

const overhead = (plans: DevicePlan[], ifname: string) => one(plans, ifname).tree?.classes[0]?.overhead;

test('a packet is charged what encryption adds, and the notes say so', () => {
  const plans = tunnelled({}, [wg], 'up=10mbit down=50mbit');
  expect(overhead(plans, 'wg0')).toEqual({ linklayer: 'ethernet', bytes: 78 });
  expect(overhead(plans, 'qos-5')).toEqual({ linklayer: 'ethernet', bytes: 78 });
  expect(one(plans, 'wg0').notes).toContain(
    'each packet counts 78 bytes more: 64 for the tunnel, 14 for the link that carries it',
  );
  expect(overhead(tunnelled({}, [wg], 'up=10mbit overhead=docsis'), 'wg0')).toMatchObject({
    bytes: 82,
    mpu: 64,
  });
  expect(overhead(tunnelled({}, [wg], 'up=10mbit overhead=98'), 'wg0')).toMatchObject({ bytes: 98 });
  expect(one(tunnelled({}), 'wg0').notes.join()).not.toContain('counts');
});

test('a tap carries frames: their headers are counted already, and cross the line as well', () => {
  const tap: Link = { ifindex: 5, ifname: 'tap0', group: 0, kind: 'tun', up: true, mtu: 1500 };
  const tun: Link = { ...tap, ifname: 'tun0', headerless: true };
  expect(overhead(tunnelled({}, [tap], 'up=10mbit'), 'tap0')).toMatchObject({ bytes: 67 });
  expect(overhead(tunnelled({}, [tun], 'up=10mbit'), 'tun0')).toMatchObject({ bytes: 67 });
  expect(overhead(tunnelled({}, [{ ...tun, kind: 'ppp' }], 'up=10mbit'), 'tun0')).toBeUndefined();
});

test('a tree of the user counts what it says itself', () => {
  const toml = {
    interface: { wg0: { scheduler: 'tree', up: '10mbit' } },
    tree: { mine: { default: 'all', class: { all: { rate: '100%' } } } },
  };
  const plans = tunnelled(toml);
  expect(one(plans, 'wg0').scheduler).toBe('tree mine');
  expect(overhead(plans, 'wg0')).toBeUndefined();
});

test('a line is shaped once: in the tunnel, and the interface that carries it says why it is not', () => {
  const both = tunnelled({ interface: { wg0: { up: '8mbit' }, ens6: { up: '10mbit' } } });
  expect([one(both, 'wg0').rate, one(both, 'ens6').rate]).toEqual([7_600_000, undefined]);
  expect(one(both, 'ens6').notes).toContain(
    'not shaped: wg0 is, where the classes are seen, and a line is shaped once',
  );
  const tunnelOnly = tunnelled({ interface: { wg0: { up: '8mbit' } } });
  expect(one(tunnelOnly, 'ens6').notes).toEqual([]);
});

test('a tunnel without a rate yields to a card that has one, and says so', () => {
  const plans = tunnelled({ interface: { ens6: { up: '10mbit' } } });
  expect([one(plans, 'wg0').rate, one(plans, 'ens6').rate]).toEqual([undefined, 9_500_000]);
  expect(one(plans, 'wg0').notes).toContain(
    'no rate: shaped by ens6, which carries it and cannot see its classes',
  );
});

test('two shaped tunnels may be one in the other: status says what to do', () => {
  const two = tunnelled({}, [wg, { ...wg, ifindex: 6, ifname: 'wg1' }], 'up=10mbit');
  expect(one(two, 'wg0').notes.join()).toContain('shaped like wg1');
  const decided = tunnelled(
    { interface: { wg1: { up: 'off' } } },
    [wg, { ...wg, ifindex: 6, ifname: 'wg1' }],
    'up=10mbit',
  );
  expect([...one(decided, 'wg0').notes, ...one(decided, 'wg1').notes].join()).not.toContain('shaped like');
});
