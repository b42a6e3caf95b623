// Trees of the user's own: what values come to, how files go together, and where a fault is found.
import { settingsOf } from '@qubes-qos/core/tc-config';
import { evaluateFormula } from '@qubes-qos/core/tree/formula';
import { tryTrees } from '@qubes-qos/tc-agent/plan-tree';
import { planTc } from '@qubes-qos/tc-agent/plan';
import { checkFiles } from '@qubes-qos/tc-agent/settings';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { configOf, OWN_TREES, tomlOf as tree, planOf, PYQOS_CONFIG, treeOf } from './own-trees.js';

const webOf = (parts: Parameters<typeof tree>[0]) =>
  treeOf(planOf(tree(parts))).classes.find(({ classid }) => classid === '51:10')!;

describe('what values come to', () => {
  // The line is 10 Mbit, of which 95 % are used.
  test.each([
    ['rate = "40%"', 3_800_000],
    ['rate = { percent = 40 }', 3_800_000],
    ['rate = { percent = 40, min = "1mbit" }', 3_800_000],
    ['rate = { percent = 1, min = "1mbit" }', 1_000_000],
    ['rate = { percent = 90, max = "1mbit" }', 1_000_000],
    ['rate = { percent = 1, min = "20mbit", max = "30mbit" }', 20_000_000],
    ['rate = "NAMED"', 950_000],
    ['rate = "1234567bit"', 1_234_560],
  ])('%s', (web, rate) => {
    expect(webOf({ web, values: 'NAMED = "OTHER"\nOTHER = "10%"' }).rate).toBe(rate);
  });

  test('a share of another interface is of what that one may use, whatever this one has', () => {
    const more = '[interface.wg0]\nup = "5mbit"\nuse = 80';
    expect(webOf({ web: 'rate = { percent = 50, of = "wg0" }', more }).rate).toBe(2_000_000);
    const alias = `${more}\n[alias]\nvpn = "wg0"`;
    expect(webOf({ web: 'rate = { percent = 50, of = "vpn" }', more: alias }).rate).toBe(2_000_000);
  });

  test('a share of a class is of its parent, ceil of the ceil', () => {
    const classes = treeOf(
      planOf(
        tree({
          top: 'rate = "8mbit"',
          web: 'rate = "4mbit"\nceil = "6mbit"',
          more: '[tree.mine.class.a]\nparent = "web"\nrate = "50%"\nceil = "50%"\n[tree.mine.class.rest]\nrate = "1mbit"',
        }).replace('default = "web"', 'default = "rest"'),
      ),
    ).classes;
    expect(classes.map(({ classid, parent, rate, ceil }) => [classid, parent, rate, ceil])).toEqual([
      ['51:1', '51:', 8_000_000, 8_000_000],
      ['51:10', '51:1', 4_000_000, 6_000_000],
      ['51:12', '51:1', 1_000_000, 1_000_000],
      ['51:11', '51:10', 2_000_000, 3_000_000],
    ]);
  });

  test('bursts are formulas of bits per second that come to bytes', () => {
    const web = 'rate = "8mbit"\nceil = "100%"\nburst = "0.5*rate/8"\ncburst = "1.5*rate/8 + burst"';
    expect(webOf({ web })).toMatchObject({ burst: 500_000, cburst: 2_000_000 });
    expect(webOf({ web: 'rate = "1mbit"\nburst = "2*mtu"\ncburst = "4KiB"' })).toMatchObject({
      burst: 3_000,
      cburst: 4_096,
    });
    const values = 'SECONDS = 0.1\nHALF = "SECONDS*rate/8/2"\nPEAK = "1mbit"';
    expect(webOf({ web: 'rate = "8mbit"\nburst = "HALF"\ncburst = "PEAK/8"', values })).toMatchObject({
      burst: 50_000,
      cburst: 125_000,
    });
  });

  test('the quantum is a frame, or by r2q but within what the kernel does not complain of', () => {
    expect(webOf({}).quantum).toBe(1514);
    expect(webOf({ top: 'r2q = 10' }).quantum).toBe(12_500);
    expect(webOf({ top: 'r2q = 1000' }).quantum).toBe(1514);
    expect(webOf({ top: 'r2q = 1', web: 'rate = "9mbit"' }).quantum).toBe(200_000);
    expect(webOf({ web: 'rate = "1mbit"\nquantum = 3000' }).quantum).toBe(3000);
  });

  test('a promise of more than there is goes through, and is said', () => {
    const { notes } = planOf(tree({ web: 'rate = "9mbit"', more: '[tree.mine.class.b]\nrate = "3mbit"' }));
    expect(notes).toEqual([
      'the classes of the tree are promised 126 % of its rate',
      'the DSCP stays on what leaves',
    ]);
  });
});

describe('formulas', () => {
  const value = (text: string): number =>
    evaluateFormula(text, (name) => ({ rate: 8000, two: 2 })[name], ['rate', 'two']);
  test.each([
    ['1+2*3', 7],
    ['(1+2)*3', 9],
    ['-rate/8', -1000],
    ['rate/8/two', 500],
    ['1 - 2 - 3', -4],
    ['.5*two', 1],
  ])('%s', (text, expected) => expect(value(text)).toBe(expected));
  test.each(['', '1+', '(1', '1)', '1 2', 'rate(', 'process.exit()', '1e3', '2**3', 'constructor'])(
    '%s is refused',
    (text) => {
      expect(() => value(text)).toThrow('formula');
    },
  );
});

describe('aliases and groups', () => {
  test('a section of an alias or a group is of its interfaces', () => {
    expect(settingsOf(PYQOS_CONFIG, 'ens6')).toMatchObject({ up: 20_000_000, tree: 'upload' });
    for (const vif of ['vif5.0', 'vif6.0'])
      expect(settingsOf(PYQOS_CONFIG, vif)).toMatchObject({ scheduler: 'tree', tree: 'download' });
  });

  test('what an interface itself is given goes over its group', () => {
    const config = configOf(
      'group.all = ["a", "b"]\n[interface.b]\nup = "2mbit"\n[interface.all]\nup = "1mbit"',
    );
    expect([settingsOf(config, 'a').up, settingsOf(config, 'b').up]).toEqual([1_000_000, 2_000_000]);
  });

  test('the members of the group have the tree with the part of the other interface', () => {
    const plans = planTc({
      links: ['ens6', 'vif5.0', 'vif7.0'].map((ifname, index) => ({
        ...{
          ifindex: index + 2,
          ifname,
          group: ifname === 'ens6' ? 0 : 2,
          kind: undefined,
          up: true,
          mtu: 1500,
        },
      })),
      routes: [{ dst: 'default', dev: 'ens6', metric: 0, direct: false }],
      config: PYQOS_CONFIG,
      missing: new Set(),
    });
    expect(plans.map(({ scheduler, rate }) => [scheduler, rate])).toEqual([
      ['tree upload', 20_000_000],
      ['tree download', 8_000_000],
      ['ets+fq_codel', undefined],
    ]);
  });
});

describe('several files', () => {
  test('a class of a later file hangs on one of an earlier file that it only names', () => {
    const plan = planOf(
      tree({}),
      '[tree.mine.class.web]\nelsewhere = true\n[tree.mine.class.video]\nparent = "web"\nrate = "50%"\n[tree.mine]\ndefault = "video"',
    );
    expect(treeOf(plan).classes.map(({ classid, parent, rate }) => [classid, parent, rate])).toEqual([
      ['51:1', '51:', 9_500_000],
      ['51:10', '51:1', 1_000_000],
      ['51:11', '51:10', 500_000],
    ]);
  });

  test('the last file that has the key is named, with its own line', () => {
    const files = [tree({}), '\n\n[tree.mine.class.web]\nrate = "1mbit"\nceil = "8kbit"\n'].map(
      (text, index) => ({
        ...{ source: `/rw/config/qubes-qos/${index}.toml`, content: parse(text), text },
      }),
    );
    expect(() => checkFiles(files, {})).toThrow(
      /1\.toml:5: tree\.mine\.class\.web\.ceil: ceil of 8kbit: expected at least/,
    );
  });
});

test('the examples are of one tree each, and no class is lost', () => {
  for (const [name, plan] of Object.entries(OWN_TREES)) {
    const { qdiscs, classes, filters } = treeOf(plan);
    const ids = new Set(classes.map(({ classid }) => classid));
    expect(ids.size, name).toBe(classes.length);
    for (const { flowid } of filters) expect(ids, name).toContain(flowid);
    for (const { parent } of qdiscs.filter((one) => one.parent !== 'root'))
      expect(ids, name).toContain(parent);
  }
});

test('a tree that nobody has is tried too', () => {
  expect(() =>
    tryTrees(configOf('[tree.spare]\ndefault = "a"\nclass.a = { rate = "10%", parent = "b" }')),
  ).toThrow('unknown class "b"');
});
