// What udev has tc do to a vif that comes, and that the first pass of the agent takes it for its own.
import { readFileSync } from 'node:fs';
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import { isFlower, type ObservedFilter } from '@qubes-qos/core/tc/hooks/model';
import { filterMark } from '@qubes-qos/core/tc/hooks/render';
import { enforceHooks } from '@qubes-qos/tc-agent/enforce';
import { newVifBatch } from '@qubes-qos/tc-agent/new-vif';
import { expect, test } from 'vitest';

test('all that the qube sends becomes cs0, whatever it says, and its ECN bits stay', () => {
  const batch = newVifBatch();
  expect(batch.split('\n')).toEqual([
    'qdisc add dev VIF clsact',
    expect.stringMatching(
      /^filter add dev VIF ingress protocol ip pref 5130 handle \d+ matchall action pedit ex munge ip tos set 0x00 retain 0xfc pipe action csum ip4h continue$/,
    ),
    expect.stringMatching(
      /^filter add dev VIF ingress protocol ipv6 pref 5131 handle \d+ matchall action pedit ex munge ip6 traffic_class set 0x00 retain 0xfc continue$/,
    ),
    expect.stringMatching(
      / protocol 802\.1Q pref 5100 handle \d+ flower vlan_id 0 action vlan pop reclassify$/,
    ),
    expect.stringMatching(
      / protocol 802\.1ad pref 5101 handle \d+ flower vlan_id 0 action vlan pop reclassify$/,
    ),
    '',
  ]);
});

test('for a client of which dom0 says nothing they stay, and what may pass is added', () => {
  const desired = enforceHooks({});
  const ours = desired
    .filter(({ dscp }) => dscp === undefined)
    .map((filter): ObservedFilter => ({
      ...{ ...filter, mark: filterMark(filter), to: undefined },
      isFlower: isFlower(filter),
    }));
  const ops = diffHooks(desired, { qdisc: 'clsact', ours, others: 0 });
  expect(new Set(ops.map(({ op }) => op))).toEqual(new Set(['add-hook-filter']));
});

test('the rule of udev puts the name in place of what stands for it', () => {
  const rule = readFileSync(new URL('../../udev/75-qubes-qos.rules', import.meta.url), 'utf8');
  expect(rule).toContain('TEST=="/run/qubes-qos/new-vif.tc"');
  expect(rule).toContain('sed s/VIF/%k/ /run/qubes-qos/new-vif.tc | tc -batch -');
});
