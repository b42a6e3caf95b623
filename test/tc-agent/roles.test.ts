// Which interface is what, on the machines that Qubes users have.
import {
  connectedNetworks,
  interfacesOf,
  isDefaultRoute,
  readLinks,
  readRoutes,
  type Link,
} from '@qubes-qos/core/links';
import { towardsInternet } from '@qubes-qos/core/reach';
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

  test('a vif is a client before it is up, when Qubes has not given it its group yet', () => {
    const links = [
      { ...link('vif7.0', 0, 'vif'), up: false },
      link('vif8.0', 0),
      { ...link('vif7.0-p', 0), up: false },
      { ...link('vif9', 0), up: false },
    ];
    expect(Object.fromEntries(rolesOf(links, []))).toEqual({ 'vif7.0': 'client' });
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

  test('every kind of tunnel is a line, and what carries it is not; a tap is of the kind tun', () => {
    for (const kind of ['wireguard', 'amneziawg', 'tun', 'ovpn', 'ovpn-dco', 'ppp']) {
      const roles = rolesOf([link('ens6', 0), link('vpn', 0, kind)], via('ens6', 'vpn'));
      expect(Object.fromEntries(roles)).toEqual({ ens6: 'uplink', vpn: 'line' });
    }
  });

  test('a tunnel without a rate yields to the interface that carries it, if that has one', () => {
    const links = [link('eth0', 1), link('ens6', 0), link('wg0', 0, 'wireguard')];
    const lineFor = (...rated: string[]) =>
      [...rolesOf(links, via('ens6', 'wg0'), (name) => rated.includes(name))]
        .filter(([, role]) => role === 'line')
        .map(([name]) => name);
    expect(lineFor()).toEqual(['wg0']);
    expect(lineFor('wg0')).toEqual(['wg0']);
    expect(lineFor('wg0', 'ens6')).toEqual(['wg0']);
    expect(lineFor('ens6')).toEqual(['ens6']);
    expect(lineFor('eth0')).toEqual(['wg0']);
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
        link_type: '[1]',
        linkinfo: { info_kind: 'veth' },
      },
      { ifindex: 5, ifname: 'wg0', mtu: 1420, link_type: '[65534]', linkinfo: { info_kind: 'wireguard' } },
      { ifindex: 2, ifname: 'ens6', flags: [], mtu: 9000, group: '0' },
    ];
    expect(readLinks(json)).toEqual([
      { ifindex: 4, ifname: 'vif3.0', group: 2, kind: 'veth', up: true, mtu: 1500 },
      { ifindex: 5, ifname: 'wg0', group: 0, kind: 'wireguard', up: false, mtu: 1420, headerless: true },
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

  test.each([
    ['wg-quick, in a table of its own', ['default']],
    ["OpenVPN's redirect-gateway def1", ['0.0.0.0/1', '128.0.0.0/1']],
    ['half of it, which is what a fault leaves', ['128.0.0.0/1']],
    ["OpenVPN's redirect-gateway ipv6", ['::/3', '2000::/4', '3000::/4', 'fc00::/7']],
    ['IPv6 in halves', ['::/1', '8000::/1']],
    ['all that is routed of IPv6', ['2000::/3']],
    [
      'all but 10.0.0.0/8, as AllowedIPs are computed',
      [
        '0.0.0.0/5',
        '8.0.0.0/7',
        '11.0.0.0/8',
        '12.0.0.0/6',
        '16.0.0.0/4',
        '32.0.0.0/3',
        '64.0.0.0/2',
        '128.0.0.0/1',
      ],
    ],
  ])('towards the Internet: %s', (_, networks) => {
    const routes = networks.map((dst) => ({ dst, dev: 'vpn0', metric: 0, direct: true }));
    expect([...towardsInternet(routes)]).toEqual(['vpn0']);
  });

  test.each([
    ['a network of a company', ['10.0.0.0/8', '172.16.0.0/12', 'fd00::/8']],
    ['the same quarter over and over', ['0.0.0.0/2', '0.0.0.0/2', '0.0.0.0/3', '32.0.0.0/3']],
    ['single addresses', ['203.0.113.1', '2001:db8::1']],
    ['what is not routed of IPv6', ['fe80::/10', '8000::/2', 'ff00::/8']],
  ])('not towards the Internet: %s', (_, networks) => {
    const routes = networks.map((dst) => ({ dst, dev: 'vpn0', metric: 0, direct: true }));
    expect([...towardsInternet(routes)]).toEqual([]);
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
