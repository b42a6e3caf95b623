import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diffAround, type Before } from '@qubes-qos/qvm-qos/publish/around';
import { planPublication } from '@qubes-qos/qvm-qos/publish/desired';
import { diffPublication } from '@qubes-qos/qvm-qos/publish/diff';
import type { System } from '@qubes-qos/qvm-qos/publish/system';
import { anyClass, anyDom0, anyOwnRules, anyWords, CLASS, RULES } from './any-words.js';
import { having, machineWith, ordinary, written } from './machine.js';

const ON = { 'vm-config.qos-enforce': '1' };

/** Where dom0's word counts already. */
const BELIEVING = {
  'sys-net': { ...ordinary('sys-net'), ...having(ON) },
  'sys-firewall': { ...ordinary('sys-firewall'), ...having(ON) },
};

/** The qube and the NetVMs above it. */
function partOf(whole: System, name: string): System {
  const names = new Set(['dom0']);
  for (let next: string | undefined = name; next !== undefined && !names.has(next);) {
    names.add(next);
    next = whole.qubes.find((qube) => qube.name === next)?.netvm;
  }
  return { qubes: whole.qubes.filter((qube) => names.has(qube.name)) };
}

function withClass(system: System, name: string, className: string | undefined): System {
  return written(system, [{ qube: name, feature: CLASS, to: className ?? null }]);
}

function before(name: string, value: string | undefined, feature = CLASS): Before {
  return new Map([[name, new Map([[feature, value]])]]);
}

function around(system: System, from: string | undefined, to: string | undefined): string[] | undefined {
  return diffAround(partOf(withClass(system, 'work', to), 'work'), before('work', from))?.map(
    ({ qube, feature, to: value }) => `${qube} ${feature.replace('vm-config.', '')}: ${value ?? '-'}`,
  );
}

describe('one qube tells enough', () => {
  test('when it is the best that there is', () => {
    expect(around(machineWith(BELIEVING), undefined, 'ef')).toEqual([
      'sys-firewall qos.10.137.0.5: class=ef max=ef zero=class ip6=fd09::5',
      'sys-net qos.10.137.0.3: class=cs0 max=ef zero=keep ip6=fd09::3',
    ]);
  });

  test('when nothing changes above it', () => {
    expect(around(machineWith(BELIEVING), undefined, 'cs1')).toEqual([
      'sys-firewall qos.10.137.0.5: class=cs1 max=cs1 zero=class ip6=fd09::5',
    ]);
    expect(around(machineWith(BELIEVING), 'cs2', 'cs2')).toEqual([
      'sys-firewall qos.10.137.0.5: class=cs2 max=cs2 zero=class ip6=fd09::5',
    ]);
  });

  test('what a policy gives it is made right on the way', () => {
    const work = { ...ordinary('work'), ...having({ 'vm-config.qos-policy-rules': 'tcp->ef' }) };
    expect(around(machineWith({ ...BELIEVING, work }), undefined, 'cs1')).toEqual([
      'sys-firewall qos.10.137.0.5: class=cs1 max=cs1 zero=class ip6=fd09::5',
      'work qos-policy-rules: -',
    ]);
  });

  test.each([
    ['ef', undefined],
    ['ef', 'cs5'],
    [undefined, 'cs5'],
  ])('not when the best of others counts: %s -> %s', (from, to) => {
    expect(around(machineWith(BELIEVING), from, to)).toBeUndefined();
  });

  test('not for a NetVM that does not believe dom0 yet', () => {
    expect(around(machineWith(), undefined, 'ef')).toBeUndefined();
  });
});

test('whatever the machine: the short way ends where the whole way ends', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const qube = fc.record({
    netvm: fc.constantFrom(undefined, ...names),
    ...{ providesNetwork: fc.boolean(), isTunnel: fc.boolean(), words: anyWords },
  });
  const change = fc.oneof(
    fc.record({ feature: fc.constant(CLASS), to: anyClass }),
    fc.record({ feature: fc.constant(RULES), to: anyOwnRules }),
  );
  const qubes = fc.array(qube, { minLength: 6, maxLength: 6 });
  let shortWays = 0;
  fc.assert(
    fc.property(anyDom0, qubes, fc.nat(5), change, (dom0, all, index, { feature, to }) => {
      const name = names[index]!;
      const system: System = {
        qubes: [
          dom0,
          ...all.map(({ netvm, providesNetwork, isTunnel, words }, position) => ({
            ...{ name: names[position]!, klass: 'AppVM', netvm, ip: `10.0.0.${position}`, ip6: '' },
            ...{ providesNetwork, tags: isTunnel ? ['qos-tunnel'] : [] },
            features: new Map(Object.entries({ ...ON, ...words })),
          })),
        ],
      };
      const told = written(system, diffPublication(system, planPublication(system)));
      const from = told.qubes[index + 1]?.features.get(feature);
      const now = written(told, [{ qube: name, feature, to: to ?? null }]);
      const short = diffAround(partOf(now, name), before(name, from, feature));
      if (short === undefined) return;
      shortWays++;
      const after = written(now, short);
      expect(diffPublication(after, planPublication(after))).toEqual([]);
    }),
    { numRuns: 2000 },
  );
  expect(shortWays).toBeGreaterThan(200);
});
