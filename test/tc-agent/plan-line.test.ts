// What belongs on a line and on the way in, beside the queues: DSCP, hosts, limits, networks that are not the Internet.
import type { Link } from '@qubes-qos/core/links';
import { mergeConfig } from '@qubes-qos/core/tc-config';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { planTc, type DevicePlan } from '@qubes-qos/tc-agent/plan';
import { summaryOf } from '@qubes-qos/tc-agent/summary';
import { describe, expect, test } from 'vitest';
import { links, one, plan, routes, twoClients } from './planned.js';

describe('the DSCP of what leaves', () => {
  /** What the cake leaves of an interface do; they agree. */
  const washes = (plans: DevicePlan[], ifname: string): boolean | undefined => {
    const leaves = one(plans, ifname).tree!.qdiscs.flatMap(({ options }) =>
      options.kind === 'cake' ? [options.wash ?? false] : [],
    );
    expect(leaves.length).toBeGreaterThanOrEqual(5);
    expect(new Set(leaves).size).toBe(1);
    return leaves[0];
  };

  test('is cleared in the leaves of a card, shaped or not, and kept when the user says so', () => {
    expect(washes(plan('up=10mbit'), 'ens6')).toBe(true);
    expect(washes(plan(), 'ens6')).toBe(true);
    const kept = plan('up=10mbit', [], { line: { dscp_out: 'keep' } });
    expect(washes(kept, 'ens6')).toBe(false);
    expect(one(plan(undefined, [], { line: { dscp_out: 'keep' } }), 'ens6').scheduler).toBe('ets+fq_codel');
  });

  test('stays inside Qubes, and where the kernel cannot clear it that is said', () => {
    expect(washes(plan('down=10mbit'), 'qos-2')).toBe(false);
    expect(one(plan('up=10mbit', ['cake']), 'ens6').notes).toContain('the DSCP stays on what leaves');
  });
});

describe('what the leaves of a line do besides queueing', () => {
  const leaf = (plans: DevicePlan[], ifname: string) =>
    one(plans, ifname).tree!.qdiscs.find(({ handle }) => handle === '530:')?.options;

  test('clients share evenly behind masquerade, by their end of the connection', () => {
    const plans = plan('up=10mbit down=50mbit', [], {}, {}, twoClients);
    expect(leaf(plans, 'ens6')).toMatchObject({ kind: 'cake', flowmode: 'dual-srchost', nat: true });
    expect(leaf(plans, 'qos-2')).toMatchObject({ kind: 'cake', flowmode: 'dual-dsthost', nat: true });
    const ef = one(plans, 'ens6').tree!.qdiscs.find(({ handle }) => handle === '511:')?.options;
    expect(ef, 'a queue of EF is of one client').toMatchObject({ flowmode: 'flows' });
  });

  test('where there is one client, none is told apart: a thousand flows of it would cost the others time', () => {
    const plans = plan('up=10mbit down=50mbit');
    for (const name of ['ens6', 'qos-2']) expect(leaf(plans, name)).toMatchObject({ flowmode: 'flows' });
  });

  test('acknowledgements are thinned out on a very asymmetric line only, and it is said', () => {
    expect(leaf(plan('up=2mbit down=29mbit'), 'ens6')).not.toHaveProperty('ackFilter');
    const plans = plan('up=2mbit down=30mbit');
    expect(leaf(plans, 'ens6')).toMatchObject({ ackFilter: 'on' });
    expect(leaf(plans, 'qos-2')).not.toHaveProperty('ackFilter');
    expect(one(plans, 'ens6').notes).toContain(
      'needless acknowledgements are dropped: the line is very asymmetric',
    );
  });
});

describe('what comes in', () => {
  test('waits in an ifb of the line; its connection says which class it has', () => {
    const plans = plan('down=50mbit');
    expect(one(plans, 'qos-2')).toMatchObject({
      role: 'download',
      rate: 47_500_000,
      scheduler: 'htb+ets+cake',
    });
    const { hooks } = one(plans, 'ens6');
    expect(hooks.map(({ protocol }) => protocol)).toEqual(['ip', 'ipv6', 'all']);
    expect(hooks[2]!.actions).toEqual([{ action: 'restore' }, { action: 'redirect', to: 'qos-2' }]);
    expect(one(plans, 'vif3.0').hooks).toEqual([]);
    expect(summaryOf(plans)).toContain('qos-2 at 47500kbit for what comes in');
  });

  test('at a hop that offloads it is led there by the vifs', () => {
    const firewall: Link[] = [{ ...links[1]!, ifname: 'eth0', group: 1 }, links[2]!];
    const config = mergeConfig([], { 'qos-uplink': 'down=50mbit' });
    const plans = planTc({ links: firewall, routes: [], config, missing: new Set() });
    expect(one(plans, 'eth0').hooks[2]!.actions).toEqual([{ action: 'restore' }]);
    expect(one(plans, 'vif3.0').hooks).toMatchObject([{ hook: 'egress', actions: [{ to: 'qos-2' }] }]);
  });

  test('is left alone without a rate, without an ifb, and on a kernel that cannot shape', () => {
    const none = [plan('up=10mbit'), plan('down=off'), plan('down=10mbit', ['htb'])];
    for (const plans of none) {
      expect(plans.some(({ role }) => role === 'download')).toBe(false);
      expect(one(plans, 'ens6').hooks).toEqual([]);
    }
  });

  test('an ifb is never the subject of a plan of its own, nor is its queue', () => {
    const ifb: Link = { ifindex: 9, ifname: 'qos-2', group: 0, kind: 'ifb', up: true, mtu: 1500 };
    const input = { links: [...links, ifb], routes, missing: new Set<QdiscKind>() };
    const without = planTc({ ...input, config: mergeConfig([], {}) });
    expect(without.some(({ link }) => link.ifname === 'qos-2')).toBe(false);
    const withIt = planTc({ ...input, config: mergeConfig([], { 'qos-uplink': 'down=1mbit' }) });
    expect(withIt.filter(({ link }) => link.ifname === 'qos-2')).toMatchObject([{ link: { ifindex: 9 } }]);
  });
});

describe('the policer of what comes in', () => {
  test('is the first thing that a packet meets, with a shaper behind it and without', () => {
    const hooks = (feature?: string) =>
      one(plan(feature, [], { line: { police: '60mbit' } }), 'ens6')
        .hooks.map(({ slot, actions }) => [slot, actions.map(({ action }) => action)])
        .sort();
    expect(hooks()).toEqual([[0, ['police']]]);
    expect(hooks('down=50mbit')).toEqual([
      [0, ['police']],
      [1, ['set-dscp']],
      [2, ['set-dscp']],
      [3, ['restore', 'redirect']],
    ]);
  });
});

describe('limits of a client', () => {
  const limited = (value: string) => one(plan(undefined, [], {}, { 'qos.10.137.0.11': value }), 'vif3.0');

  test('what it sends is policed at its vif, what it receives waits in the bands of its vif', () => {
    expect(limited('up=5mbit').hooks).toMatchObject([
      { hook: 'ingress', actions: [{ action: 'police', rate: 5_000_000, burst: 65_536 }] },
    ]);
    expect(limited('up=5mbit').rate).toBeUndefined();
    expect(limited('down=20mbit')).toMatchObject({ rate: 20_000_000, scheduler: 'htb+ets+cake', hooks: [] });
    expect(limited('class=ef max=ef')).toMatchObject({ rate: undefined, hooks: [] });
  });

  test('the burst grows with the rate, as super-packets do, unless it is given', () => {
    const burst = (value: string) => limited(value).hooks[0]!.actions[0];
    expect(burst('up=40mbit')).toMatchObject({ burst: 130_000 });
    expect(burst('up=1gbit')).toMatchObject({ burst: 3_250_000 });
    expect(burst('up=1gbit burst=1mb')).toMatchObject({ burst: 1_048_576 });
  });

  test('a client that is not here changes nothing', () => {
    expect(plan(undefined, [], {}, { 'qos.10.137.0.99': 'up=1mbit down=1mbit' })).toEqual(plan());
  });
});

describe('what is not the Internet', () => {
  const past = (plans: DevicePlan[], ifname: string) =>
    one(plans, ifname).tree!.prefixes.map(({ side, network }) => `${side} ${network}`);

  test('the networks of the card, link-local, multicast, and those that the user names', () => {
    const plans = plan('up=10mbit down=50mbit', [], { local: ['10.0.0.7/8'] });
    expect(past(plans, 'ens6')).toEqual(
      expect.arrayContaining([
        'dst 192.168.1.0/24',
        'dst 2001:db8:1::/64',
        'dst fe80::/10',
        'dst 10.0.0.0/8',
      ]),
    );
    expect(past(plans, 'qos-2')).toContain('src 192.168.1.0/24');
    expect(past(plan(), 'ens6')).toEqual([]);
  });

  test('all that enters a tunnel goes over the line', () => {
    const wg: Link = { ...links[1]!, ifname: 'wg0', kind: 'wireguard' };
    const config = mergeConfig([], { 'qos-uplink': 'up=10mbit' });
    const tunnelRoutes = [
      { dst: 'default', dev: 'wg0', metric: 0, direct: true },
      { dst: '10.64.0.0/10', dev: 'wg0', metric: 0, direct: true },
    ];
    const plans = planTc({ links: [wg], routes: tunnelRoutes, config, missing: new Set() });
    expect(one(plans, 'wg0').tree!.prefixes).toEqual([]);
  });
});
