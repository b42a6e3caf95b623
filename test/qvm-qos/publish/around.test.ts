import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import { diffAround, type Before } from '@qubes-qos/qvm-qos/publish/around';
import { planPublication } from '@qubes-qos/qvm-qos/publish/desired';
import { diffPublication } from '@qubes-qos/qvm-qos/publish/diff';
import type { System } from '@qubes-qos/qvm-qos/publish/system';
import { having, machineWith, ordinary, written } from './machine.js';

const CLASS = 'vm-config.dscp';
const ON = { 'vm-config.qos-enforce': '1' };

/** Where dom0's word counts already. */
const BELIEVING = {
  'sys-net': { ...ordinary('sys-net'), ...having(ON) },
  'sys-firewall': { ...ordinary('sys-firewall'), ...having(ON) },
};

/** The qube and the NetVMs above it, as they are when the qube has the class. */
function partOf(system: System, name: string, className: string | undefined): System {
  const whole = withClass(system, name, className);
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

function before(name: string, className: string | undefined): Before {
  return new Map([[name, new Map([[CLASS, className]])]]);
}

function around(system: System, from: string | undefined, to: string | undefined): string[] | undefined {
  return diffAround(partOf(system, 'work', to), before('work', from))?.map(
    ({ qube, feature, to: value }) => `${qube} ${feature.replace('vm-config.', '')}: ${value ?? '-'}`,
  );
}

describe('one qube tells enough', () => {
  test('when it is the best that there is', () => {
    expect(around(machineWith(BELIEVING), undefined, 'ef')).toEqual([
      'sys-net qos.10.137.0.3: class=cs0 max=ef zero=keep ip6=fd09::3',
      'sys-firewall qos.10.137.0.5: class=ef max=ef zero=class ip6=fd09::5',
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
  const className = fc.constantFrom(undefined, ...CLASS_NAMES);
  const qube = fc.record({
    netvm: fc.constantFrom(undefined, ...names),
    providesNetwork: fc.boolean(),
    isTunnel: fc.boolean(),
    className,
  });
  fc.assert(
    fc.property(fc.array(qube, { minLength: 6, maxLength: 6 }), fc.nat(5), className, (all, index, to) => {
      const name = names[index]!;
      const system: System = {
        qubes: all.map(({ netvm, providesNetwork, isTunnel, className: own }, position) => ({
          ...{ name: names[position]!, klass: 'AppVM', netvm, ip: `10.0.0.${position}`, ip6: '' },
          ...{ providesNetwork, tags: isTunnel ? ['qos-tunnel'] : [] },
          features: new Map(Object.entries({ ...ON, ...(own === undefined ? {} : { [CLASS]: own }) })),
        })),
      };
      const told = written(system, diffPublication(system, planPublication(system)));
      const from = told.qubes[index]?.features.get(CLASS);
      const short = diffAround(partOf(told, name, to), before(name, from));
      if (short === undefined) return;
      const now = written(withClass(told, name, to), short);
      expect(diffPublication(now, planPublication(now))).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});
