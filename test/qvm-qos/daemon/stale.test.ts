import { describe, expect, test } from 'vitest';
import { staleAfter, type Stale } from '@qubes-qos/qvm-qos/daemon/stale';
import { MachineModel } from '../../sim/machine.js';

const WORK: Stale = { qube: 'work' };

/** What each event of the action makes stale, each once, without those that make nothing so. */
function staleOf(action: (machine: MachineModel) => void): Stale[] {
  const machine = new MachineModel({
    defaultNetvm: 'sys-firewall',
    qubes: [
      { name: 'sys-firewall', netvm: null, providesNetwork: true, running: true },
      { name: 'other', netvm: null, providesNetwork: true, running: true },
      { name: 'work', running: true, tags: ['a'], features: { 'vm-config.dscp': 'ef', note: 'x' } },
    ],
  });
  const seen = new Map<string, Stale>();
  machine.onEvent(({ subject, event, kwargs }) => {
    const stale = staleAfter({ subject, event, kwargs: new Map(Object.entries(kwargs)) });
    if (stale !== 'nothing') seen.set(JSON.stringify(stale), stale);
  });
  action(machine);
  return [...seen.values()];
}

describe('an event makes stale', () => {
  test.each<[string, (machine: MachineModel) => void, Stale[]]>([
    ['a class', (machine) => machine.setFeature('work', 'vm-config.dscp', 'cs1'), [WORK]],
    ['no class', (machine) => machine.removeFeature('work', 'vm-config.dscp'), [WORK]],
    ['rules', (machine) => machine.setFeature('work', 'vm-config.qos-rules', 'tcp -> ef'), [WORK]],
    [
      'rules of a policy that somebody wrote',
      (machine) => machine.setFeature('work', 'vm-config.qos-policy-rules', 'tcp->ef'),
      [WORK],
    ],
    ['limits', (machine) => machine.setFeature('work', 'qos.limit', 'up=1mbit'), [WORK]],
    ['a policy', (machine) => machine.setFeature('dom0', 'qos.policy.x', ''), [{ qube: 'dom0' }]],
    [
      'an entry that somebody removed',
      (machine) => machine.setFeature('other', 'vm-config.qos.10.0.0.1', ''),
      [{ qube: 'other' }],
    ],
    ['IPv6 for all behind it', (machine) => machine.setFeature('other', 'ipv6', '1'), ['all']],
    ['a feature of somebody else', (machine) => machine.setFeature('work', 'note', 'y'), []],
    ['the line', (machine) => machine.setFeature('other', 'vm-config.qos-uplink', 'up=1mbit'), []],
    ['a tag', (machine) => machine.addTag('work', 'b'), [WORK]],
    ['no tag', (machine) => machine.removeTag('work', 'a'), [WORK]],
    ['a netvm', (machine) => machine.setNetvm('work', 'other'), [WORK, { qube: 'other' }]],
    ['the default netvm again', (machine) => machine.resetNetvm('work'), [WORK, { qube: 'sys-firewall' }]],
    [
      'the default netvm',
      (machine) => machine.setDefaultNetvm('other'),
      ['all', { qube: 'work' }, { qube: 'other' }],
    ],
    ['a new qube', (machine) => machine.create({ name: 'new' }), [{ qube: 'new' }]],
    ['no qube', (machine) => machine.delete('work'), [WORK]],
    ['a start', (machine) => machine.start('work'), []],
    ['an end', (machine) => machine.shutdown('work'), [WORK]],
    ['a label', (machine) => machine.setLabel('work', 'blue'), []],
  ])('%s', (_, action, expected) => {
    expect(staleOf(action)).toEqual(expect.arrayContaining(expected));
    expect(staleOf(action)).toHaveLength(expected.length);
  });

  test('a connection: all', () => {
    expect(staleAfter({ subject: '', event: 'connection-established', kwargs: new Map() })).toBe('all');
  });
});
