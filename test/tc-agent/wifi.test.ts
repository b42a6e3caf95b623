// The access category on Wi-Fi.
import type { Link } from '@qubes-qos/core/links';
import { mergeConfig, parseFileSettings } from '@qubes-qos/core/tc-config';
import { planTc } from '@qubes-qos/tc-agent/plan';
import { expect, test } from 'vitest';

const wlan: Link = {
  ifindex: 2,
  ifname: 'wlan0',
  group: 0,
  kind: undefined,
  up: true,
  mtu: 1500,
  wireless: true,
};

function hooksOf(link: Link, feature?: string, toml: object = {}): string[] {
  const settings = parseFileSettings('a', toml);
  const config = mergeConfig(
    [{ source: 'a', settings }],
    feature === undefined ? {} : { 'qos-uplink': feature },
  );
  const routes = [{ dst: 'default', dev: link.ifname, metric: 0, direct: false }];
  const [plan] = planTc({ links: [link], routes, config, missing: new Set() });
  return plan!.hooks.map(({ hook, protocol, dscp, actions }) => {
    const [first] = actions;
    return `${hook} ${protocol} ${dscp ?? 'all'} ${first?.action === 'user-priority' ? first.priority : '-'}`;
  });
}

test('is by class, as RFC 8325 has it, where the DSCP is cleared', () => {
  const both = (family: string) => [`egress ${family} 46 6`, `egress ${family} 40 5`, `egress ${family} 8 1`];
  expect(hooksOf(wlan, 'up=10mbit')).toEqual([...both('ip'), ...both('ipv6')]);
  expect(hooksOf(wlan)).toEqual([...both('ip'), ...both('ipv6')]);
  expect(hooksOf(wlan, 'down=10mbit')).toHaveLength(9);
});

test('is left to the kernel where the DSCP stays, and is nothing for other cards', () => {
  expect(hooksOf(wlan, 'up=10mbit', { line: { dscp_out: 'keep' } })).toEqual([]);
  const card: Link = { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 };
  expect(hooksOf(card, 'up=10mbit')).toEqual([]);
});
