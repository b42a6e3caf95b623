// What belongs on an interface, for each state of knowledge about line and kernel.
import { bitsPerSecond } from '@qubes-qos/core/rate';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { type DevicePlan } from '@qubes-qos/tc-agent/plan';
import { chooseScheduler } from '@qubes-qos/tc-agent/schedulers/choose';
import { htbEtsCake } from '@qubes-qos/tc-agent/schedulers/htb-ets';
import { summaryOf } from '@qubes-qos/tc-agent/summary';
import { describe, expect, test } from 'vitest';
import { one, plan } from './planned.js';

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
