// What dom0's word makes of the packets of a client: every class and code point, each grant.
import { CLASSES, CLASS_NAMES, classOf, type ClassName } from '@qubes-qos/core/classes';
import { parseClientPolicy } from '@qubes-qos/core/client-policy';
import { enforceHooks, enforceNote } from '@qubes-qos/tc-agent/enforce';
import { limitHooks } from '@qubes-qos/tc-agent/limits';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import { tcTable } from '@qubes-qos/tc-agent/tables';
import { renderNft } from '@qubes-qos/core/nft/render';
import { describe, expect, test } from 'vitest';
import { one, plan } from './planned.js';

/** What becomes of a DSCP, as the kernel goes through the filters. */
function outcome(value: string, family: 'ip' | 'ipv6', dscp: number): number {
  const hooks = enforceHooks(parseClientPolicy(value).policy)
    .filter(({ protocol }) => protocol === family)
    .sort((a, b) => a.slot - b.slot);
  for (const { dscp: only, actions } of hooks) {
    if (only !== undefined && only !== dscp) continue;
    const [action] = actions;
    if (action?.action === 'pass') return dscp;
    if (action?.action === 'set-dscp') return action.dscp;
  }
  throw new Error('no filter took the packet');
}

const code = (name: ClassName): number => classOf(name).dscp;

describe('enforceHooks', () => {
  test.each(['ip', 'ipv6'] as const)('%s: no packet gets a better class than dom0 grants', (family) => {
    for (const max of CLASS_NAMES)
      for (const name of CLASS_NAMES.filter((one) => classOf(one).rank >= classOf(max).rank))
        for (const zero of ['class', 'keep'])
          for (let dscp = 0; dscp < 64; dscp++) {
            const became = outcome(`class=${name} max=${max} zero=${zero}`, family, dscp);
            const found = CLASSES.find((one) => one.dscp === became);
            expect(found, `DSCP ${became} is that of a class`).toBeDefined();
            expect(found!.rank).toBeGreaterThanOrEqual(classOf(max).rank);
          }
  });

  test.each([
    ['class=cs1 max=cs1 zero=class', 'ef', 'cs1'],
    ['class=cs1 max=cs1 zero=class', 'cs0', 'cs1'],
    ['class=ef max=ef zero=class', 'cs0', 'ef'],
    ['class=ef max=ef zero=class', 'cs1', 'cs1'],
    ['class=cs5 max=ef zero=keep', 'cs0', 'cs0'],
    ['class=cs5 max=ef zero=keep', 'ef', 'ef'],
    ['up=1mbit', 'ef', 'cs0'],
    ['up=1mbit', 'cs2', 'cs2'],
  ] as const)('%s: %s becomes %s', (value, from, to) => {
    expect(outcome(value, 'ip', code(from))).toBe(code(to));
    expect(outcome(value, 'ipv6', code(from))).toBe(code(to));
  });

  test('a code point of no class becomes the class of the qube', () => {
    expect(outcome('class=cs5 max=ef zero=keep', 'ip', 34)).toBe(code('cs5'));
    expect(outcome('class=cs2 max=cs2 zero=class', 'ipv6', 46)).toBe(code('cs2'));
  });

  test('a tag that the kernel ignores goes before anything is done by the protocol of a packet', () => {
    const hooks = enforceHooks({});
    const tags = hooks.filter(({ actions }) => actions[0]?.action === 'untag');
    expect(tags.map(({ protocol }) => protocol)).toEqual(['802.1Q', '802.1ad']);
    const limit = limitHooks({ up: bitsPerSecond(1e6) })[0]!;
    const others = [...hooks.filter((one) => !tags.includes(one)), limit].map(({ slot }) => slot);
    expect(Math.max(...tags.map(({ slot }) => slot))).toBeLessThan(Math.min(...others));
  });

  test('is said in one clause', () => {
    expect(enforceNote({})).toBe('dom0 says cs0');
    expect(enforceNote({ class: 'cs5', max: 'ef' })).toBe('dom0 says cs5, at best ef');
  });
});

describe('in the plan', () => {
  const ip = 'qos.10.137.0.11';

  test('nothing is enforced without the feature, and that is said', () => {
    const vif = one(plan(undefined, [], {}, { [ip]: 'class=cs1' }), 'vif3.0');
    expect(vif.hooks).toEqual([]);
    expect(vif.notes).toContain('trusted: its packets say which class they have');
  });

  test('with it every vif has filters, those of which dom0 says nothing too', () => {
    const granted = one(plan(undefined, [], {}, { 'qos-enforce': '1', [ip]: 'class=ef' }), 'vif3.0');
    expect(granted.notes).toContain('dom0 says ef');
    const unknown = one(plan(undefined, [], {}, { 'qos-enforce': '1' }), 'vif3.0');
    expect(unknown.hooks).toHaveLength(10);
    expect(unknown.notes).toContain('dom0 says cs0');
  });

  test('a value that is neither 1 nor 0 is an error', () => {
    expect(() => plan(undefined, [], {}, { 'qos-enforce': 'yes' })).toThrow(/"yes": expected 1/);
  });
});

describe('the table', () => {
  test('is not there when there is nothing for it to do', () => {
    expect(tcTable({ remembers: false, enforced: undefined })).toBeUndefined();
  });

  test('holds back what comes by a vif without filters of its own', () => {
    const table = tcTable({ remembers: false, enforced: ['vif3.0'] })!;
    const script = renderNft([{ op: 'replace', table }]);
    expect(script).toMatch(/iifgroup != 2 return\s+iif "vif3\.0" return\s+ip dscp set 0\s+ip6 dscp set 0/);
  });
});
