// What belongs on an interface, for each state of knowledge about line and kernel.
import type { Link } from '@qubes-qos/core/links';
import { mergeConfig, parseFileSettings } from '@qubes-qos/core/tc-config';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { planTc, type DevicePlan } from '@qubes-qos/tc-agent/plan';
import { chooseScheduler } from '@qubes-qos/tc-agent/schedulers/choose';
import { summaryOf } from '@qubes-qos/tc-agent/summary';
import { describe, expect, test } from 'vitest';

const links: Link[] = [
  { ifindex: 1, ifname: 'lo', group: 0, kind: undefined, up: true, mtu: 65536 },
  { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 },
  { ifindex: 3, ifname: 'vif3.0', group: 2, kind: 'vif', up: true, mtu: 1500 },
  { ifindex: 4, ifname: 'ens7', group: 0, kind: undefined, up: true, mtu: 1500 },
];

function plan(feature?: string, missing: QdiscKind[] = [], toml: object = {}): DevicePlan[] {
  const files = [
    { source: '/etc/qubes-qos/a.toml', settings: parseFileSettings('/etc/qubes-qos/a.toml', toml) },
  ];
  const config = mergeConfig(files, feature);
  return planTc({ links, defaultRoutes: [{ dev: 'ens6', metric: 0 }], config, missing: new Set(missing) });
}

const one = (plans: DevicePlan[], ifname: string): DevicePlan =>
  plans.find(({ link }) => link.ifname === ifname)!;

describe('planTc', () => {
  test('without a rate: bands everywhere, and it says that they do not shorten delay', () => {
    const plans = plan();
    expect(summaryOf(plans)).toBe('ens6 ets+fq_codel without a shaper, 1 vif ets+fq_codel');
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
      scheduler: 'ets+fq_codel',
      notes: ['up=off: bands without a shaper'],
    });
    expect(one(plan('up=auto'), 'ens6').notes.join()).toContain('does not measure');
  });

  test('a kernel that lacks a qdisc gets the next best tree and a note', () => {
    const names = (missing: QdiscKind[]) =>
      [one(plan('up=10mbit', missing), 'ens6'), one(plan('up=10mbit', missing), 'vif3.0')].map(
        ({ scheduler }) => scheduler,
      );
    expect(names(['cake'])).toEqual(['htb+ets+fq_codel', 'ets+fq_codel']);
    expect(names(['ets'])).toEqual(['htb+cake', 'prio+fq_codel']);
    expect(names(['ets', 'cake'])).toEqual(['htb+fq_codel', 'prio+fq_codel']);
    expect(names(['htb'])).toEqual(['ets+fq_codel', 'ets+fq_codel']);
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
