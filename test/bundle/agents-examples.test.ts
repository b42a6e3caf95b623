// The examples of the agents' manual pages: typed anew for qubes-qos-mangle; for qubes-qos-tc, which needs qdiscs that not
// every kernel has, recorded in the lab (agents-session.sh) and compared with what the program makes of the same.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { QosError } from '@qubes-qos/core/errors';
import type { Link } from '@qubes-qos/core/links';
import { mergeConfig, parseFileSettings } from '@qubes-qos/core/tc-config';
import { planTc } from '@qubes-qos/tc-agent/plan';
import { printed, printedText } from '@qubes-qos/tc-agent/print';
import type { Status } from '@qubes-qos/tc-agent/status';
import { statusText } from '@qubes-qos/tc-agent/text';
import { MangleQube } from './mangle-qube.js';

const PAGES = new URL('snapshots/agents/', import.meta.url);

describe('what qubes-qos-mangle prints', () => {
  let qube: MangleQube;

  beforeAll(async () => {
    qube = await MangleQube.create();
  });

  afterAll(() => qube.close());

  test('is what the page of examples shows', async () => {
    const pages: string[] = [];
    const type = async (command: string): Promise<void> => {
      const { code, stdout, stderr } = await qube.mangle(...command.split(' '));
      const exit = code === 0 ? '' : `[exit ${code ?? 'signal'}]\n`;
      pages.push(`root@work# qubes-qos-mangle ${command}\n${stdout}${stderr}${exit}`);
    };
    await type('status');
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    for (const command of ['status', 'apply', 'status', 'status --json', 'print', 'check'])
      await type(command);
    qube.qubesdb.write('/vm-config/dscp', 'EF');
    for (const command of ['apply', 'status', 'print']) await type(command);
    await qube.nft('delete table inet qubes-qos-mangle');
    for (const command of ['status', 'apply', 'cleanup', 'cleanup']) await type(command);
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    const rules = 'user:root,tcp/22 -> cs5; user:alice -> cs0; to:10.0.0.0/8 -> cs1';
    qube.qubesdb.write('/vm-config/qos-rules', rules);
    for (const command of ['apply', 'status', 'status --json', 'print']) await type(command);
    qube.qubesdb.write('/vm-config/qos-rules', 'user:root -> cs7');
    await type('apply');
    const page = `Examples of qubes-qos-mangle\n\n${pages.join('\n')}`;
    await expect(page).toMatchFileSnapshot(fileURLToPath(new URL('qubes-qos-mangle.txt', PAGES)));
  });
});

describe('what qubes-qos-tc printed in the lab is what it prints now', () => {
  const recorded = readFileSync(new URL('qubes-qos-tc.txt', PAGES), 'utf8');

  test('status', () => {
    const [, json = ''] = /qubes-qos-tc status --json\n(.*)\n/.exec(recorded) ?? [];
    const text = statusText(JSON.parse(json) as Status);
    expect(recorded).toContain(`root@sys-net# qubes-qos-tc status\n${text}\n`);
  });

  test('print', () => {
    const links: Link[] = [
      { ifindex: 2, ifname: 'ens6', group: 0, kind: undefined, up: true, mtu: 1500 },
      { ifindex: 3, ifname: 'vif2.0', group: 2, kind: 'veth', up: true, mtu: 1500 },
    ];
    const config = mergeConfig([], {
      'qos-uplink': 'up=10mbit',
      'qos-enforce': '1',
      // sys-firewall, one of whose clients is ef.
      'qos.10.137.0.6': 'class=cs0 max=ef zero=keep',
    });
    const routes = [
      { dst: '10.137.0.6', dev: 'vif2.0', metric: 0, direct: true },
      { dst: 'default', dev: 'ens6', metric: 0, direct: false },
      ...['192.168.1.0/24', '2001:db8:1::/64', 'fe80::/64'].map((dst) => ({
        ...{ dst, dev: 'ens6', metric: 0, direct: true },
      })),
    ];
    const plans = planTc({ links, routes, config, missing: new Set() });
    const text = printedText(config, printed(config, plans));
    expect(recorded).toContain(`root@sys-net# qubes-qos-tc print\n${text}\n`);
  });

  test('the fault of a file', () => {
    const fault = (): unknown =>
      parseFileSettings('/rw/config/qubes-qos/tc.toml', { line: { up: '5kbps', speed: 3 } }, () => 2);
    const [, sentence = ''] = /^qubes-qos-tc: (.*5kbps.*)$/m.exec(recorded) ?? [];
    expect(fault).toThrow(new QosError('config', sentence));
  });
});
