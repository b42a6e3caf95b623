import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import type { NftRule } from '@qubes-qos/core/nft/model';
import { readTable } from '@qubes-qos/core/nft/read';
import { renderNft, renderTable } from '@qubes-qos/core/nft/render';
import { parseRules, type QosRule } from '@qubes-qos/core/qos-rules';
import { inForceOf, MANGLE_TABLE, planMangle, type LocatedRule } from '@qubes-qos/mangle-agent/plan';
import { escapePath } from '@qubes-qos/mangle-agent/wake';

describe('planMangle', () => {
  test.each(['ef', 'cs1'] as const)('%s is golden/mangle-%s.nft', (name) => {
    const script = renderNft([{ op: 'replace', table: planMangle(name)! }]);
    expect(script).toBe(text(`../golden/mangle-${name}.nft`));
  });

  test('none is golden/mangle-none.nft', () => {
    expect(planMangle('none')).toBeUndefined();
    expect(renderNft([{ op: 'delete', id: MANGLE_TABLE }])).toBe(text('../golden/mangle-none.nft'));
  });
});

/** Every match, both families, what is remembered and what is not. */
const RULES = located(
  'user:1001 -> cs0; group:27,tcp/22 -> cs5; user:0,udp/3478-3481 -> ef; unit:backup.service -> cs1;' +
    'cgroup:user.slice/user-1000.slice,to:10.0.0.0/8 -> cs2; to:fd00::/8,sctp/5 -> cs1; mark:0x10/0xf0,icmp -> cs5;' +
    'mark:0x1 -> cs2; tcp -> cs2; to:192.0.2.1,dccp/1-2 -> ef',
);

describe('rules', () => {
  test('of every kind are golden/mangle-rules.nft', () => {
    const script = renderNft([{ op: 'replace', table: planMangle('ef', RULES)! }]);
    expect(script).toBe(text('../golden/mangle-rules.nft'));
  });

  test('of every kind are read back from what nft 1.1.3 really lists for them', () => {
    const listed = readTable(MANGLE_TABLE, text('../fixtures/nft/rules-1.1.3.json'));
    expect(renderTable(listed)).toBe(renderTable(planMangle('ef', RULES)!));
    expect(inForceOf(listed)).toEqual({ className: 'ef', hasRules: true });
  });

  test('without a class leave other packets as they are: golden/mangle-rules-only.nft', () => {
    const script = renderNft([{ op: 'replace', table: planMangle('none', located('tcp/443 -> cs5'))! }]);
    expect(script).toBe(text('../golden/mangle-rules-only.nft'));
  });

  test('of a unit that runs twice match either', () => {
    const twice = [
      { class: 'cs1' as const, cgroups: [['a.slice/x.service'], ['b.slice/x.service']], match: {} },
    ];
    const script = renderNft([{ op: 'replace', table: planMangle('none', twice)! }]);
    expect(script.match(/level 2 "[ab].slice\/x.service" ip6? dscp set 8 accept/g)).toHaveLength(4);
  });
});

describe('inForceOf', () => {
  test.each([...CLASS_NAMES, 'none' as const])('%s is recognised', (className) => {
    expect(inForceOf(planMangle(className))).toEqual({ className, hasRules: false });
    expect(inForceOf(planMangle(className, RULES))).toEqual({ className, hasRules: true });
    expect(inForceOf(planMangle(className, RULES.slice(0, 1)))).toEqual({ className, hasRules: true });
  });

  test.each([
    ['a rule less', (rules) => rules.slice(0, -1)],
    ['no exception for loopback', (rules) => rules.slice(1)],
    [
      'a rule of another form',
      ([first, ...rest]) => [first!, { expressions: [{ kind: 'verdict', verdict: 'accept' }] }, ...rest],
    ],
    [
      'something foreign',
      ([first, ...rest]) => [first!, { expressions: [{ kind: 'foreign', json: '1' }] }, ...rest],
    ],
  ] satisfies [string, (rules: readonly NftRule[]) => NftRule[]][])('%s is altered', (_, change) => {
    for (const rules of [[], RULES]) {
      const table = planMangle('ef', rules)!;
      const chains = table.chains.map((chain) =>
        chain.name === 'output' ? { ...chain, rules: change(chain.rules) } : chain,
      );
      expect(inForceOf({ ...table, chains })).toBe('altered');
    }
  });

  test('a chain more, another priority or something beside the chains is altered', () => {
    const table = planMangle('ef', RULES)!;
    expect(inForceOf({ ...table, foreign: ['{"set":{}}'] })).toBe('altered');
    expect(inForceOf({ ...table, chains: [{ name: 'theirs', rules: [] }, ...table.chains] })).toBe('altered');
    const chains = table.chains.map((chain) => ({
      ...chain,
      ...(chain.base && { base: { ...chain.base, priority: 0 } }),
    }));
    expect(inForceOf({ ...table, chains })).toBe('altered');
  });
});

test('paths become names of units as systemd-escape(1) makes them', () => {
  expect(escapePath('/sys/fs/cgroup')).toBe('sys-fs-cgroup');
  expect(escapePath('/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service')).toBe(
    'sys-fs-cgroup-user.slice-user\\x2d1000.slice-user\\x401000.service',
  );
  expect(escapePath('/.etc')).toBe('\\x2eetc');
});

/** Rules as they are in a qube in which a unit is below system.slice, and users are given by number. */
function located(value: string): LocatedRule[] {
  return parseRules(value).rules.map(({ match, class: className }: QosRule) => {
    const { user, group, unit, cgroup, ...rest } = match;
    return {
      class: className,
      ...(typeof user === 'number' && { uid: user }),
      ...(typeof group === 'number' && { gid: group }),
      cgroups: [
        [...(unit === undefined ? [] : [`system.slice/${unit}`]), ...(cgroup === undefined ? [] : [cgroup])],
      ],
      match: rest,
    };
  });
}

describe('the units', () => {
  test.each(['qubes-qos-mangle', 'qubes-qos-mangle-cleanup'])('%s.service names our table', (unit) => {
    const { family, name } = MANGLE_TABLE;
    expect(text(`../../systemd/${unit}.service`)).toContain(`nft destroy table ${family} ${name}`);
  });

  test('what wakes for rules is not in a slice that rules may have watched', () => {
    for (const unit of ['qubes-qos-mangle', 'qubes-qos-mangle-wake'])
      expect(text(`../../systemd/${unit}.service`)).toContain('\nSlice=qubes-qos.slice\n');
  });

  test('defect of the original: no guard against templates, and an order by sleep', () => {
    for (const unit of ['qubes-qos-mangle', 'qubes-qos-mangle-cleanup']) {
      const service = text(`../../systemd/${unit}.service`);
      expect(service).toContain('ConditionPathExists=!/run/qubes/this-is-templatevm\n');
      expect(service).not.toMatch(/sleep/);
    }
    expect(text('../../systemd/qubes-qos-mangle.service')).toContain(
      'After=qubes-sysinit.service qubes-iptables.service\nBefore=network.target\n',
    );
  });
});

function text(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8');
}
