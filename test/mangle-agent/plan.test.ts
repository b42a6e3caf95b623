import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import { renderNft } from '@qubes-qos/core/nft/render';
import { classInForce, MANGLE_TABLE, planMangle } from '@qubes-qos/mangle-agent/plan';

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

describe('classInForce', () => {
  test.each([...CLASS_NAMES, 'none' as const])('%s is recognised', (name) => {
    expect(classInForce(planMangle(name))).toBe(name);
  });

  test('a table with one rule less is no class', () => {
    const table = planMangle('ef')!;
    const [chain] = table.chains;
    expect(classInForce({ ...table, chains: [{ ...chain!, rules: chain!.rules.slice(0, -1) }] })).toBe(
      'altered',
    );
  });
});

describe('the units', () => {
  test.each(['qubes-qos-mangle', 'qubes-qos-mangle-cleanup'])('%s.service names our table', (unit) => {
    const { family, name } = MANGLE_TABLE;
    expect(text(`../../systemd/${unit}.service`)).toContain(`nft destroy table ${family} ${name}`);
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
