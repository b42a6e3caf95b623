// Which interface is what, on the machines that Qubes users have.
import {
  connectedNetworks,
  interfacesOf,
  isDefaultRoute,
  readLinks,
  readRoutes,
  type Link,
} from '@qubes-qos/core/links';
import { rolesOf } from '@qubes-qos/tc-agent/roles';
import { describe, expect, test } from 'vitest';

function link(ifname: string, group: number, kind?: string): Link {
  return { ifindex: 1, ifname, group, kind, up: true, mtu: 1500 };
}

const via = (...devs: string[]) => devs.map((dev) => ({ dst: 'default', dev, metric: 0, direct: false }));

describe('rolesOf', () => {
  test('sys-firewall: eth0 is the line, vifs are clients', () => {
    const roles = rolesOf(
      [link('lo', 0), link('eth0', 1), link('vif3.0', 2), link('vif4.0', 2)],
      via('eth0'),
    );
    expect(Object.fromEntries(roles)).toEqual({ eth0: 'line', 'vif3.0': 'client', 'vif4.0': 'client' });
  });

  test('sys-net: every NIC with a default route is a line; one without, bridges and ifbs are nothing', () => {
    const links = [
      link('ens6', 0),
      link('wlp0s7', 0),
      link('ens7', 0),
      link('docker0', 0, 'bridge'),
      link('qos-3', 0, 'ifb'),
    ];
    const roles = rolesOf([...links, link('vif3.0', 2)], via('ens6', 'wlp0s7', 'qos-3'));
    expect(Object.fromEntries(roles)).toEqual({ ens6: 'line', wlp0s7: 'line', 'vif3.0': 'client' });
  });

  test('a VPN qube: the tunnel is the line, eth0 only an uplink', () => {
    const roles = rolesOf(
      [link('eth0', 1), link('wg0', 0, 'wireguard'), link('vif3.0', 2)],
      via('eth0', 'wg0'),
    );
    expect(Object.fromEntries(roles)).toEqual({ eth0: 'uplink', wg0: 'line', 'vif3.0': 'client' });
  });

  test('a tunnel that carries no default route (a split tunnel) takes the line from nobody', () => {
    const roles = rolesOf([link('eth0', 1), link('wg0', 0, 'wireguard')], via('eth0'));
    expect(Object.fromEntries(roles)).toEqual({ eth0: 'line' });
  });

  test('before NetworkManager has a connection there is no line', () => {
    expect(rolesOf([link('lo', 0), link('ens6', 0)], [])).toEqual(new Map());
  });
});

describe('reading ip', () => {
  test('links: group, kind and state; placeholders of a filtered list are dropped', () => {
    const json = [
      {},
      {
        ifindex: 4,
        ifname: 'vif3.0',
        flags: ['BROADCAST', 'UP'],
        mtu: 1500,
        group: '2',
        linkinfo: { info_kind: 'veth' },
      },
      { ifindex: 2, ifname: 'ens6', flags: [], mtu: 9000, group: '0' },
    ];
    expect(readLinks(json)).toEqual([
      { ifindex: 4, ifname: 'vif3.0', group: 2, kind: 'veth', up: true, mtu: 1500 },
      { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: false, mtu: 9000 },
    ]);
  });

  test('routes: both families, halves of the address space, multipath; unreachable and on-link ones are not', () => {
    const json = [
      { type: '1', dst: 'default', dev: 'eth0', table: '254', metric: 100 },
      { type: '1', dst: '0.0.0.0/1', dev: 'tun0', table: '254' },
      { type: '7', dst: 'default', dev: 'lo', table: '254', metric: 4294967295 },
      { type: '1', dst: '10.137.0.9', dev: 'vif3.0', table: '254', metric: 32749 },
      { type: '1', dst: 'default', table: '254', nexthops: [{ dev: 'ens6' }, { dev: 'ens7' }] },
    ];
    const defaults = readRoutes(json).filter(isDefaultRoute);
    expect(defaults.map(({ dev }) => dev)).toEqual(['eth0', 'tun0', 'ens6', 'ens7']);
  });

  test('connected networks, and the interfaces of a client: an HVM has two', () => {
    const routes = readRoutes([
      { dst: 'default', gateway: '192.168.1.1', dev: 'ens6', flags: [] },
      { dst: '192.168.1.0/24', dev: 'ens6', protocol: '2', scope: '253' },
      { dst: '2001:db8:1::/64', dev: 'ens6', metric: 256 },
      { dst: '2001:db8:2::/64', gateway: 'fe80::1', dev: 'ens6', metric: 256 },
      { dst: 'fe80::/64', dev: 'ens6', metric: 256 },
      { type: '2', dst: '192.168.1.2', dev: 'ens6', table: '255' },
      { dst: '10.137.0.9', dev: 'vif3.0', metric: 32749 },
      { dst: '10.137.0.9', dev: 'vif3.1', metric: 32748 },
    ]);
    expect(connectedNetworks(routes, 'ens6')).toEqual(['192.168.1.0/24', '2001:db8:1::/64', 'fe80::/64']);
    expect(interfacesOf(routes, '10.137.0.9')).toEqual(['vif3.0', 'vif3.1']);
    expect(interfacesOf(routes, '192.168.1.2')).toEqual([]);
  });

  test('another shape is an error and not an empty network', () => {
    expect(() => readLinks({ error: 'x' })).toThrow();
    expect(() => readLinks([{ ifindex: 'four', ifname: 'x' }])).toThrow();
  });
});
