// The hooks of an interface, on a kernel in memory: one script leads to what is wanted, a second is empty, others keep theirs.
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import {
  isFlower,
  NO_HOOKS,
  type HookAction,
  type HookFilter,
  type HookOp,
  type ObservedFilter,
  type ObservedHooks,
} from '@qubes-qos/core/tc/hooks/model';
import { readHooks } from '@qubes-qos/core/tc/hooks/read';
import { filterMark, renderHookOp } from '@qubes-qos/core/tc/hooks/render';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const police = (rate: number): HookAction => ({ action: 'police', rate, burst: 65_536 });
const filter = (slot: number, ...actions: HookAction[]): HookFilter => ({
  ...{ hook: 'ingress', slot, protocol: 'all', actions },
});
const raised = (dscp: number, priority: number): HookFilter => ({
  ...{ hook: 'egress', slot: 5, protocol: 'ip', dscp, actions: [{ action: 'user-priority', priority }] },
});
const toIfb: HookFilter = filter(2, { action: 'restore' }, { action: 'redirect', to: 'qos-2' });

const guard = (dscp: number): HookFilter => ({
  ...{ hook: 'ingress', slot: 30, spare: 32, protocol: 'ip' },
  actions: [{ action: 'set-dscp', family: 'ip', dscp }],
});

/** One interface: refuses what the kernel refuses. */
class HookKernel {
  #qdisc: ObservedHooks['qdisc'] = 'none';
  #ours: ObservedFilter[] = [];
  others = 0;

  run(ops: readonly HookOp[]): void {
    for (const op of ops) {
      if (op.op === 'add-hooks') {
        if (this.#qdisc !== 'none') throw new Error('Exclusivity flag on, cannot modify.');
        this.#qdisc = 'clsact';
      } else if (op.op === 'delete-hooks') {
        expect(this.#ours.length + this.others).toBe(0);
        this.#qdisc = 'none';
      } else if (op.op === 'add-hook-filter') {
        if (this.#qdisc === 'none') throw new Error('Parent Qdisc does not exist.');
        const { hook, slot, protocol, dscp } = op.filter;
        const mark = filterMark(op.filter);
        const there = this.#ours.filter((one) => one.hook === hook && one.slot === slot);
        if (there.some((one) => dscp === undefined || one.isFlower !== true || one.mark === mark))
          throw new Error('File exists');
        const redirect = op.filter.actions.find((action) => action.action === 'redirect');
        const flower = isFlower(op.filter) && { isFlower: true };
        this.#ours.push({ hook, slot, protocol, mark, ...flower, to: redirect?.to });
      } else {
        const { hook, slot, mark, isFlower: byMatch = false } = op.filter;
        const isGone = (one: ObservedFilter): boolean =>
          one.hook === hook && one.slot === slot && (!byMatch || one.mark === mark);
        const rest = this.#ours.filter((one) => !isGone(one));
        if (rest.length === this.#ours.length) throw new Error('Cannot find specified filter chain.');
        this.#ours = rest;
      }
    }
  }

  observe(): ObservedHooks {
    return { qdisc: this.#qdisc, ours: this.#ours, others: this.others };
  }

  /** Somebody else hangs a filter there; the hooks are made if they are not. */
  addOther(): void {
    if (this.#qdisc === 'none') this.#qdisc = 'clsact';
    this.others++;
  }

  /** The ifb of a redirect is deleted. */
  loseDevice(): void {
    this.#ours = this.#ours.map((one) => ({ ...one, to: one.to === undefined ? undefined : '*' }));
  }
}

describe('diffHooks', () => {
  test('makes the hooks with the first filter and removes them with the last', () => {
    const kernel = new HookKernel();
    const first = diffHooks([toIfb], NO_HOOKS);
    expect(first.map(({ op }) => op)).toEqual(['add-hooks', 'add-hook-filter']);
    kernel.run(first);
    const last = diffHooks([], kernel.observe());
    expect(last.map(({ op }) => op)).toEqual(['delete-hook-filter', 'delete-hooks']);
  });

  test('hooks with a filter of somebody else stay, and so does that filter', () => {
    const kernel = new HookKernel();
    kernel.addOther();
    kernel.run(diffHooks([toIfb], kernel.observe()));
    expect(diffHooks([], kernel.observe()).map(({ op }) => op)).toEqual(['delete-hook-filter']);
  });

  test('hooks that are empty and that we did not use are left alone', () => {
    expect(diffHooks([], { qdisc: 'clsact', ours: [], others: 0 })).toEqual([]);
  });

  test('another rate, another burst, another device and a device that is gone are differences', () => {
    const observed = (wanted: HookFilter): HookKernel => {
      const kernel = new HookKernel();
      kernel.run(diffHooks([wanted], NO_HOOKS));
      return kernel;
    };
    const limited = observed(filter(4, police(5e6))).observe();
    expect(diffHooks([filter(4, police(5e6))], limited)).toEqual([]);
    expect(diffHooks([filter(4, police(6e6))], limited)).toHaveLength(2);
    expect(diffHooks([filter(4, { action: 'police', rate: 5e6, burst: 65_537 })], limited)).toHaveLength(2);
    const lost = observed(toIfb);
    expect(diffHooks([toIfb], lost.observe())).toEqual([]);
    lost.loseDevice();
    expect(diffHooks([toIfb], lost.observe())).toHaveLength(2);
  });

  test('filters by DSCP share a preference, and one goes without the others', () => {
    const kernel = new HookKernel();
    const all = [raised(46, 6), raised(40, 5), raised(8, 1)];
    kernel.run(diffHooks(all, NO_HOOKS));
    expect(diffHooks(all, kernel.observe())).toEqual([]);
    const changed = [raised(46, 6), raised(40, 4), raised(8, 1)];
    const ops = diffHooks(changed, kernel.observe());
    expect(ops.map(({ op }) => op)).toEqual(['delete-hook-filter', 'add-hook-filter']);
    expect(renderHookOp(ops[0]!, 'wlan0')).toMatch(
      /^filter delete dev wlan0 egress .* pref 5105 handle \d+ flower$/,
    );
    kernel.run(ops);
    expect(diffHooks(changed, kernel.observe())).toEqual([]);
    kernel.run(diffHooks([], kernel.observe()));
    expect(kernel.observe()).toEqual(NO_HOOKS);
  });

  test('a packet finds the old or the new of a filter with a spare position, never neither', () => {
    const stray = fc.constantFrom(undefined, 30, 32);
    const step = fc.record({ dscp: fc.constantFrom(0, 8, 46), stray });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const kernel = new HookKernel();
        const lastWord = (): number | undefined =>
          [...kernel.observe().ours].sort((a, b) => a.slot - b.slot).at(-1)?.mark;
        kernel.run(diffHooks([guard(16)], NO_HOOKS));
        for (const { dscp, stray: slot } of steps) {
          if (slot !== undefined && !kernel.observe().ours.some((one) => one.slot === slot))
            kernel.run([{ op: 'add-hook-filter', filter: { ...guard(63), slot } }]);
          const words = [lastWord(), filterMark(guard(dscp)), filterMark(guard(63))];
          for (const op of diffHooks([guard(dscp)], kernel.observe())) {
            kernel.run([op]);
            expect(words).toContain(lastWord());
          }
          expect(diffHooks([guard(dscp)], kernel.observe())).toEqual([]);
          expect(kernel.observe().ours).toHaveLength(1);
        }
      }),
    );
  });

  test('random walks end where they should, and then rest', () => {
    const slots = fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 5 });
    const byDscp = fc.subarray([raised(46, 6), raised(46, 5), raised(8, 1)]);
    const wanted = fc
      .tuple(slots, fc.constantFrom(1e6, 2e6), byDscp)
      .map(([list, rate, more]) => [
        ...list.map((slot) => (slot === 2 ? toIfb : filter(slot, police(rate)))),
        ...more,
      ]);
    const step = fc.record({ wanted, other: fc.boolean(), lose: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const kernel = new HookKernel();
        for (const { wanted: desired, other, lose } of steps) {
          if (other) kernel.addOther();
          if (lose) kernel.loseDevice();
          kernel.run(diffHooks(desired, kernel.observe()));
          expect(diffHooks(desired, kernel.observe())).toEqual([]);
          expect(kernel.observe().ours).toHaveLength(desired.length);
        }
      }),
    );
  });
});

test('each kind of filter is one line of tc', () => {
  const lines = [
    filter(0, { action: 'set-dscp', family: 'ip', dscp: 0 }),
    filter(1, { action: 'set-dscp', family: 'ipv6', dscp: 0 }),
    toIfb,
    filter(3, { action: 'restore' }),
    filter(4, police(5e6)),
    raised(46, 6),
  ].map((one) =>
    renderHookOp({ op: 'add-hook-filter', filter: one }, 'ens6').replace(/handle \d+/, 'handle N'),
  );
  expect(lines).toEqual([
    'filter add dev ens6 ingress protocol all pref 5100 handle N matchall action pedit ex munge ip tos set 0x00 retain 0xfc pipe action csum ip4h continue',
    'filter add dev ens6 ingress protocol all pref 5101 handle N matchall action pedit ex munge ip6 traffic_class set 0x00 retain 0xfc continue',
    'filter add dev ens6 ingress protocol all pref 5102 handle N matchall action ctinfo dscp 0xfc000000 0x01000000 pipe action mirred egress redirect dev qos-2',
    'filter add dev ens6 ingress protocol all pref 5103 handle N matchall action ctinfo dscp 0xfc000000 0x01000000 continue',
    'filter add dev ens6 ingress protocol all pref 5104 handle N matchall action police rate 5000000bit burst 65536b mtu 65535 conform-exceed drop/continue',
    'filter add dev ens6 egress protocol ip pref 5105 handle N flower ip_tos 0xb8/0xfc action skbedit priority 0:106 continue',
  ]);
});

test('what tc shows is read: rows that announce, filters of others, our own', () => {
  const row = { protocol: 'all', pref: 5102, kind: 'matchall', chain: 0 };
  const mirred = { order: 2, kind: 'mirred', mirred_action: 'redirect', to_dev: 'qos-2' };
  const options = { handle: filterMark(toIfb), actions: [{ order: 1, kind: 'ctinfo' }, mirred] };
  const other = { protocol: 'ip', pref: 49_152, kind: 'flower', options: {} };
  const observed = readHooks('clsact', { ingress: [row, { ...row, options }, other], egress: [] });
  expect(observed.others).toBe(1);
  expect(diffHooks([toIfb], observed)).toEqual([]);
  const strange = readHooks('clsact', { ingress: [{ ...row, kind: 'flower', options }], egress: [] });
  expect(diffHooks([toIfb], strange)).toHaveLength(2);
});
