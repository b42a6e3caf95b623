// What belongs on an interface, for each state of knowledge about line and kernel.
import type { Link, Route } from '@qubes-qos/core/links';
import { mergeConfig, parseFileSettings } from '@qubes-qos/core/tc-config';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { planTc, type DevicePlan } from '@qubes-qos/tc-agent/plan';
import { chooseScheduler } from '@qubes-qos/tc-agent/schedulers/choose';
import { htbEtsCake } from '@qubes-qos/tc-agent/schedulers/htb-ets';
import { summaryOf } from '@qubes-qos/tc-agent/summary';
import { describe, expect, test } from 'vitest';

const links: Link[] = [
  { ifindex: 1, ifname: 'lo', group: 0, kind: undefined, up: true, mtu: 65536 },
  { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 },
  { ifindex: 3, ifname: 'vif3.0', group: 2, kind: 'vif', up: true, mtu: 1500 },
  { ifindex: 4, ifname: 'ens7', group: 0, kind: undefined, up: true, mtu: 1500 },
];

const routes: Route[] = [
  { dst: 'default', dev: 'ens6', metric: 0, direct: false },
  { dst: '192.168.1.0/24', dev: 'ens6', metric: 0, direct: true },
  { dst: '2001:db8:1::/64', dev: 'ens6', metric: 0, direct: true },
  { dst: '10.137.0.11', dev: 'vif3.0', metric: 32_749, direct: true },
];

function plan(
  feature?: string,
  missing: QdiscKind[] = [],
  toml: object = {},
  more: Record<string, string> = {},
): DevicePlan[] {
  const files = [
    { source: '/etc/qubes-qos/a.toml', settings: parseFileSettings('/etc/qubes-qos/a.toml', toml) },
  ];
  const config = mergeConfig(files, { ...(feature !== undefined && { 'qos-uplink': feature }), ...more });
  return planTc({
    links,
    routes,
    config,
    missing: new Set(missing),
  });
}

const one = (plans: DevicePlan[], ifname: string): DevicePlan =>
  plans.find(({ link }) => link.ifname === ifname)!;

describe('planTc', () => {
  test('without a rate: bands everywhere, and it says that they do not shorten delay', () => {
    const plans = plan();
    expect(summaryOf(plans)).toBe('ens6 ets+cake without a shaper, 1 vif ets+fq_codel');
    expect(one(plans, 'ens6').notes.join()).toContain('qvm-qos uplink');
  });

  test('with a rate only the line is shaped, to 95 %, in whole bytes per second', () => {
    const plans = plan('up=10mbit');
    expect(summaryOf(plans)).toBe('ens6 htb+ets+cake at 9500kbit, 1 vif ets+fq_codel');
    expect(one(plan('up=10000001bit'), 'ens6').rate! % 8).toBe(0);
    expect(one(plans, 'vif3.0').rate).toBeUndefined();
  });

  test('an interface without a role gets no tree, so that one left from before is removed', () => {
    expect(one(plan(), 'ens7')).toMatchObject({ role: undefined, tree: undefined });
    expect(plan().some(({ link }) => link.ifname === 'lo')).toBe(false);
  });

  test('dom0 beats the files, an interface of its own beats the line', () => {
    expect(one(plan('up=10mbit', [], { line: { up: '20mbit' } }), 'ens6').rate).toBe(9_500_000);
    expect(one(plan(undefined, [], { line: { up: '20mbit', use: 90 } }), 'ens6').rate).toBe(18_000_000);
    expect(one(plan('up=10mbit', [], { interface: { ens6: { up: '2mbit' } } }), 'ens6').rate).toBe(1_900_000);
  });

  test('off and auto mean bands, and say which', () => {
    expect(one(plan('up=off'), 'ens6')).toMatchObject({
      scheduler: 'ets+cake',
      notes: ['up=off: bands without a shaper'],
    });
    expect(one(plan('up=auto'), 'ens6').notes.join()).toContain('does not measure');
  });

  describe('the share of EF', () => {
    const efOf = (plans: DevicePlan[]) =>
      one(plans, 'ens6').tree?.classes.find(({ classid }) => classid === '51:2');
    const classes = (plans: DevicePlan[]) => one(plans, 'ens6').tree?.classes.map(({ classid }) => classid);

    test('is half of what the shaper lets through, or what the settings say, and status says it', () => {
      expect(efOf(plan('up=10mbit'))?.ceil).toBe(4_750_000);
      const third = plan('up=10mbit', [], { line: { ef_share: 33 } });
      expect(efOf(third)?.ceil).toBe(3_135_000);
      expect(one(third, 'ens6').notes).toContain('EF has at most 3135kbit of it');
      expect(efOf(plan('up=10mbit', [], { interface: { ens6: { ef_share: 100 } } }))?.ceil).toBe(9_500_000);
    });

    test('each client has queues of its own in it, on the line and nowhere else', () => {
      const plans = plan('up=10mbit');
      expect(classes(plans)).toEqual(['51:1', '51:2', '51:3', '51:20', '51:24', '51:f']);
      expect(one(plans, 'ens6').tree?.sorters?.[0]).toMatchObject({
        ...{ sort: 'from', from: { ifindex: 3, ifname: 'vif3.0' }, flowid: '51:24' },
      });
      expect(one(plans, 'vif3.0').tree?.sorters).toBeUndefined();
    });

    test('is limited at the first hop too when it is told what the line gives to EF', () => {
      const told = one(plan(undefined, [], { line: { ef: '4700kbit' } }), 'ens6');
      expect(told.scheduler).toBe('ets+cake');
      expect(told.tree?.classes[0]).toMatchObject({ classid: '53:2', rate: 4_700_000, ceil: 4_700_000 });
      expect(told.notes).toContain('EF has at most 4700kbit of it');
      expect(efOf(plan('up=10mbit', [], { line: { ef: '1mbit' } }))?.ceil).toBe(1_000_000);
    });

    test('is not limited where the kernel cannot, and nothing is said of it', () => {
      const bands = one(plan(undefined, ['htb'], { line: { ef: '4700kbit' } }), 'ens6');
      expect(bands.tree?.classes).toEqual([]);
      const classesOnly = one(plan('up=10mbit', ['ets']), 'ens6');
      expect([...bands.notes, ...classesOnly.notes].join()).not.toContain('EF has');
    });
  });

  test('more clients than queues: the first ones have their own, handles stay ours and differ', () => {
    const clients = Array.from({ length: 40 }, (_, index) => ({
      ifindex: 3 * index + 2,
      ifname: `vif${index}.0`,
    }));
    const rate = bitsPerSecond(9_500_000);
    const tree = htbEtsCake.build({ rate, mtu: 1500, ef: { rate, clients } });
    const handles = tree.qdiscs.map(({ handle }) => handle);
    expect(new Set(handles).size).toBe(handles.length);
    expect(handles.every((handle) => /^5[1-9a-f][0-9a-f]?:$/.test(handle))).toBe(true);
    expect(tree.sorters?.filter(({ sort }) => sort === 'from')).toHaveLength(14);
    expect(new Set(tree.classes.map(({ classid }) => classid)).size).toBe(tree.classes.length);
  });

  test('a kernel that lacks a qdisc gets the next best tree and a note', () => {
    const names = (missing: QdiscKind[]) =>
      [one(plan('up=10mbit', missing), 'ens6'), one(plan('up=10mbit', missing), 'vif3.0')].map(
        ({ scheduler }) => scheduler,
      );
    expect(names(['cake'])).toEqual(['htb+ets+fq_codel', 'ets+fq_codel']);
    expect(names(['ets'])).toEqual(['htb+cake', 'prio+fq_codel']);
    expect(names(['ets', 'cake'])).toEqual(['htb+fq_codel', 'prio+fq_codel']);
    expect(names(['htb'])).toEqual(['ets+cake', 'ets+fq_codel']);
    expect(names(['htb', 'cake'])).toEqual(['ets+fq_codel', 'ets+fq_codel']);
    expect(names(['ets', 'prio'])).toEqual(['htb+cake', 'none']);
    expect(one(plan('up=10mbit', ['cake']), 'ens6').notes.join()).toContain('lacks cake');
    expect(one(plan('up=10mbit', ['htb']), 'ens6').rate).toBeUndefined();
  });

  test('every combination of missing kinds leaves a scheduler that needs none of them, or none at all', () => {
    const kinds: QdiscKind[] = ['htb', 'ets', 'prio', 'cake', 'fq_codel'];
    for (let bits = 0; bits < 2 ** kinds.length; bits++) {
      const missing = new Set(kinds.filter((_, index) => bits & (1 << index)));
      for (const shaped of [true, false]) {
        const choice = chooseScheduler(shaped, missing);
        expect(choice?.scheduler.needs.some((kind) => missing.has(kind)) ?? false).toBe(false);
        if (missing.size === 0) expect(choice?.scheduler.shapes).toBe(shaped);
      }
    }
  });
});

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
