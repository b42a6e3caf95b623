import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { betterClass, CLASS_NAMES, type ClassName } from '@qubes-qos/core/classes';
import { POLICY_VALUE } from '@qubes-qos/core/named-policy';
import { anyRule } from '../../core/any-rule.js';
import { derivedOf, having, ordinary, warningsOf, type Described } from './machine.js';

describe('which word counts', () => {
  const dom0 = {
    klass: 'AdminVM',
    ...having({
      'qos.policy.own': 'class=ef',
      'qos.policy.tagged': 'class=cs5 up=5mbit tags=calls',
      'qos.policy.all': 'class=cs2 up=1mbit down=2mbit',
    }),
  };
  const firewall = { ...ordinary('sys-firewall'), ...having({ 'qos.attach': 'all' }) };
  const entry = (work: Described): string | undefined =>
    derivedOf({ dom0, 'sys-firewall': firewall, work: { ...ordinary('work'), ...work } }).find((line) =>
      line.startsWith('sys-firewall qos.10.137.0.5'),
    );

  test.each([
    [
      'own class and limit',
      having({ 'vm-config.dscp': 'cs1', 'qos.limit': 'down=9mbit', 'qos.attach': 'own' }),
      'class=cs1 max=cs1 zero=class ip6=fd09::5 down=9mbit',
    ],
    [
      'the policy, with the limit of the tag',
      { tags: ['calls'], ...having({ 'qos.attach': 'own' }) },
      'class=ef max=ef zero=class ip6=fd09::5 up=5mbit',
    ],
    ['the tag', { tags: ['calls'] }, 'class=cs5 max=cs5 zero=class ip6=fd09::5 up=5mbit'],
    ['the NetVM', {}, 'class=cs2 max=cs2 zero=class ip6=fd09::5 up=1mbit down=2mbit'],
  ])('%s', (_, work, expected) => {
    expect(entry(work)).toBe(`sys-firewall qos.10.137.0.5: ${expected}`);
  });

  test('a policy gives the qube its class, also where an own one ranks above', () => {
    const work = { ...ordinary('work'), ...having({ 'vm-config.dscp': 'cs1', 'qos.attach': 'own' }) };
    expect(derivedOf({ dom0, work })).toContain('work qos-class: ef');
  });

  test('a policy on a NetVM is for its clients, not for itself', () => {
    const lines = derivedOf({ dom0, 'sys-firewall': firewall });
    expect(lines).not.toContain('sys-firewall qos-class: cs2');
    expect(lines).toContain('personal qos-class: cs2');
    expect(lines).toContain('sys-whonix qos-class: cs2');
    expect(lines).not.toContain('anon-whonix qos-class: cs2');
  });

  describe('rules inside a qube', () => {
    const withRules = {
      klass: 'AdminVM',
      ...having({
        'qos.policy.own': 'class=cs2 rules=user:backup->cs1;udp/3478->ef',
        'qos.policy.tagged': 'class=cs1 tags=calls rules=tcp/22->cs5',
        'qos.policy.all': 'rules=to:10.0.0.0/8->cs0',
        'qos.policy.plain': 'class=cs2',
      }),
    };
    const linesFor = (work: Described): string[] =>
      derivedOf({ dom0: withRules, 'sys-firewall': firewall, work: { ...ordinary('work'), ...work } }).filter(
        (line) => /^(work|sys-firewall) qos(-p|\.10\.137\.0\.5)/.test(line),
      );

    test.each<[string, Described, string, string]>([
      [
        'own ones, below the class of the policy',
        having({ 'vm-config.qos-rules': 'tcp/22->cs5', 'qos.attach': 'own' }),
        'user:backup->cs1;udp/3478->ef',
        'class=cs2 max=cs5 zero=keep',
      ],
      [
        'none, whatever a policy says',
        having({ 'vm-config.qos-rules': '', 'qos.attach': 'own' }),
        'user:backup->cs1;udp/3478->ef',
        'class=cs2 max=cs2 zero=class',
      ],
      [
        'unreadable ones: those of the policy are not a way out',
        having({ 'vm-config.qos-rules': 'x', 'qos.attach': 'own' }),
        'user:backup->cs1;udp/3478->ef',
        'class=cs2 max=cs2 zero=keep',
      ],
      [
        "the policy's",
        { tags: ['calls'], ...having({ 'qos.attach': 'own' }) },
        'user:backup->cs1;udp/3478->ef',
        'class=cs2 max=ef zero=keep',
      ],
      [
        "the policy's, beside an own class",
        having({ 'vm-config.dscp': 'cs1', 'qos.attach': 'own' }),
        'user:backup->cs1;udp/3478->ef',
        'class=cs1 max=ef zero=keep',
      ],
      ["the tag's", { tags: ['calls'] }, 'tcp/22->cs5', 'class=cs1 max=cs5 zero=keep'],
      [
        "the NetVM's, since the policy of its own has none",
        having({ 'qos.attach': 'plain' }),
        'to:10.0.0.0/8->cs0',
        'class=cs2 max=cs0 zero=keep',
      ],
    ])('%s', (_, work, rules, entry) => {
      expect(linesFor(work)).toEqual([
        `work qos-policy-rules: ${rules}`,
        `sys-firewall qos.10.137.0.5: ${entry} ip6=fd09::5`,
      ]);
    });

    test('a policy with a rule that cannot be read gives nothing at all', () => {
      const dom0 = {
        klass: 'AdminVM',
        ...having({ 'qos.policy.own': 'class=ef rules=user:a->ef;x->ef' }),
      };
      const changes = { dom0, work: { ...ordinary('work'), ...having({ 'qos.attach': 'own' }) } };
      expect(derivedOf(changes)).toEqual([]);
      expect(warningsOf(changes)[0]).toContain(
        'qos.policy.own of dom0 is not used: rules="user:a->ef;x->ef"',
      );
    });

    test.each([
      ['class=cs1 tags=x rules=user:a->ef;user:b->cs1', 'class=cs2 tags=y', 'cs1', 'user:a->cs2;user:b->cs1'],
      ['class=cs1 tags=x rules=user:a->ef', 'class=ef tags=y', 'cs1', 'user:a->ef'],
      ['class=cs1 tags=x rules=user:a->ef', 'class=cs1 tags=y', 'cs1', 'user:a->cs1'],
      ['class=cs2 tags=x', 'class=cs1 tags=y rules=user:a->ef', 'cs1', 'user:a->cs2'],
    ])('of two tags none makes what the other grants better: %s and %s', (a, b, className, rules) => {
      const two = { klass: 'AdminVM', ...having({ 'qos.policy.a': a, 'qos.policy.b': b }) };
      const changes = { dom0: two, work: { ...ordinary('work'), tags: ['x', 'y'] } };
      expect(derivedOf(changes)).toEqual(
        expect.arrayContaining([`work qos-class: ${className}`, `work qos-policy-rules: ${rules}`]),
      );
      const [warning = ''] = warningsOf(changes);
      expect(warning).toMatch(/^work has several policies by its tags \(a, b\): [ab] counts/);
      expect(warning.includes('its rules up to')).toBe(rules.includes('cs2') || !rules.includes('ef'));
    });
  });

  test('of two tags the worse class counts', () => {
    const two = {
      klass: 'AdminVM',
      ...having({ 'qos.policy.a': 'class=ef tags=x', 'qos.policy.b': 'class=cs1 tags=y' }),
    };
    const changes = { dom0: two, work: { ...ordinary('work'), tags: ['x', 'y'] } };
    expect(derivedOf(changes)).toContain('work qos-class: cs1');
    expect(warningsOf(changes)).toEqual(['work has several policies by its tags (a, b): b counts.']);
  });

  test('a policy that there is not is said, and gives nothing', () => {
    const changes = { work: { ...ordinary('work'), ...having({ 'qos.attach': 'gone' }) } };
    expect(derivedOf(changes)).toEqual([]);
    expect(warningsOf(changes)[0]).toContain('work has the policy "gone", which there is not');
  });
});

test('however many policies a qube has by its tags: it may send what each of them lets it send', () => {
  const policy = fc.record(
    { class: fc.constantFrom(...CLASS_NAMES), rules: fc.array(anyRule, { minLength: 1, maxLength: 3 }) },
    { requiredKeys: [] },
  );
  const grantOf = (values: readonly string[]): ClassName[] => {
    const stored = Object.fromEntries(
      values.map((value, index) => [`qos.policy.p${index}`, `${value} tags=t${index}`]),
    );
    const work = { ...ordinary('work'), tags: values.map((_, index) => `t${index}`) };
    const lines = derivedOf({ dom0: { klass: 'AdminVM', ...having(stored) }, work });
    const entry = lines.find((line) => line.startsWith('sys-firewall qos.10.137.0.5')) ?? '';
    const [, className = 'cs0', max = 'cs0'] = /class=(\S+) max=(\S+)/.exec(entry) ?? [];
    return [className, max] as ClassName[];
  };
  fc.assert(
    fc.property(fc.array(policy, { minLength: 2, maxLength: 4 }), (policies) => {
      const values = policies.map((one) => POLICY_VALUE.format(one));
      const all = grantOf(values);
      for (const value of values)
        for (const [index, granted] of grantOf([value]).entries())
          expect(betterClass(granted, all[index]!)).toBe(granted);
    }),
  );
});
