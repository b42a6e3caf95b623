import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { betterClass } from '@qubes-qos/core/classes';
import { parseClientPolicy } from '@qubes-qos/core/client-policy';
import { planPublication } from '@qubes-qos/qvm-qos/publish/desired';
import { diffPublication } from '@qubes-qos/qvm-qos/publish/diff';
import type { System } from '@qubes-qos/qvm-qos/publish/system';
import { anyDom0, anyWords, classesNamed } from './any-words.js';
import { having, machineWith, ordinary, written } from './machine.js';

const EF = having({ 'vm-config.dscp': 'ef' });

describe('the difference', () => {
  test('writes entries first, then belief, then takes away what is no longer true', () => {
    const system = machineWith({
      work: { ...ordinary('work'), ...EF },
      personal: {
        ...ordinary('personal'),
        ...having({
          'vm-config.qos.10.137.0.5': 'max=ef',
          'vm-config.qos-class': 'ef',
          'vm-config.qos-policy-rules': 'tcp->ef',
        }),
      },
      'sys-net': {
        ...ordinary('sys-net'),
        ...having({ 'vm-config.qos-enforce': '0', 'vm-config.qos.x;y': 'max=ef' }),
      },
    });
    expect(
      diffPublication(system, planPublication(system)).map(({ qube, feature, from, to }) => [
        qube,
        feature,
        from,
        to,
      ]),
    ).toEqual([
      ['sys-firewall', 'vm-config.qos.10.137.0.5', null, 'class=ef max=ef zero=class ip6=fd09::5'],
      ['sys-net', 'vm-config.qos.10.137.0.3', null, 'class=cs0 max=ef zero=keep ip6=fd09::3'],
      ['sys-firewall', 'vm-config.qos-enforce', null, '1'],
      ['personal', 'vm-config.qos-class', 'ef', null],
      ['personal', 'vm-config.qos-policy-rules', 'tcp->ef', null],
      ['personal', 'vm-config.qos.10.137.0.5', 'max=ef', null],
      ['sys-net', 'vm-config.qos.x;y', 'max=ef', null],
    ]);
  });

  test('is in the order of names, whatever order the machine was read in', () => {
    const changes = having({ 'vm-config.qos.10.137.0.20': 'x', 'vm-config.qos.10.137.0.3': 'x' });
    const { qubes } = machineWith({
      work: { ...ordinary('work'), ...changes },
      mail: { ...ordinary('mail'), ...changes },
    });
    const keys = (system: System) =>
      diffPublication(system, planPublication(system)).map(({ qube, feature }) => [qube, feature]);
    expect(keys({ qubes })).toEqual([
      ['mail', 'vm-config.qos.10.137.0.3'],
      ['mail', 'vm-config.qos.10.137.0.20'],
      ['work', 'vm-config.qos.10.137.0.3'],
      ['work', 'vm-config.qos.10.137.0.20'],
    ]);
    expect(keys({ qubes: qubes.toReversed() })).toEqual(keys({ qubes }));
  });

  test('a NetVM that a client left forgets it: nobody else gets its grant', () => {
    const before = machineWith({ work: { ...ordinary('work'), ...EF } });
    const moved = written(before, diffPublication(before, planPublication(before)));
    const after: System = {
      qubes: moved.qubes.map((qube) => (qube.name === 'work' ? { ...qube, netvm: 'sys-net' } : qube)),
    };
    expect(
      diffPublication(after, planPublication(after)).map(({ qube, feature, to }) => [qube, feature, to]),
    ).toEqual([
      ['sys-net', 'vm-config.qos.10.137.0.5', 'class=ef max=ef zero=class ip6=fd09::5'],
      ['sys-firewall', 'vm-config.qos.10.137.0.5', null],
      ['sys-net', 'vm-config.qos.10.137.0.3', null],
    ]);
  });

  test('whatever the machine is: once written, nothing is left to do; nothing is granted that nobody has', () => {
    fc.assert(
      fc.property(anyMachine(), (system) => {
        const publication = planPublication(system);
        const after = written(system, diffPublication(system, publication));
        expect(diffPublication(after, planPublication(after))).toEqual([]);
        const best = system.qubes
          .flatMap(({ features }) =>
            [...features].flatMap(([feature, value]) => classesNamed(feature, value)),
          )
          .reduce(betterClass, 'cs0');
        for (const features of publication.derived.values())
          for (const [feature, value] of features) {
            if (!feature.startsWith('vm-config.qos.')) continue;
            const { max, class: className } = parseClientPolicy(value).policy;
            expect(betterClass(max!, best)).toBe(best);
            expect(betterClass(max!, className!)).toBe(max);
          }
      }),
    );
  });
});

/** Eight qubes with any netvms, rings too, any classes, rules and policies, and forged entries. */
function anyMachine(): fc.Arbitrary<System> {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const qube = fc.record({
    netvm: fc.constantFrom('', ...names),
    providesNetwork: fc.boolean(),
    words: anyWords,
    isTunnel: fc.boolean(),
    ip: fc.integer({ min: 1, max: 9 }),
    forged: fc.constantFrom(
      {},
      { 'vm-config.qos.10.0.0.1': 'max=ef' },
      { 'vm-config.qos.': 'x', 'vm-config.qos-class': 'ef', 'vm-config.qos-policy-rules': 'tcp->ef' },
    ),
  });
  return fc.tuple(anyDom0, fc.array(qube, { minLength: 8, maxLength: 8 })).map(([dom0, all]) => ({
    qubes: [
      dom0,
      ...all.map(({ netvm, providesNetwork, words, isTunnel, ip, forged }, index) => ({
        ...{ name: names[index] ?? '', klass: 'AppVM', netvm: netvm === '' ? undefined : netvm },
        ...{ ip: `10.0.0.${ip}`, ip6: '', providesNetwork, tags: isTunnel ? ['qos-tunnel'] : [] },
        features: new Map(Object.entries({ ...forged, ...words })),
      })),
    ],
  }));
}
