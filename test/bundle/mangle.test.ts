import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { golden, MangleQube, said } from './mangle-qube.js';

const EF_TABLE = await golden('mangle-ef-listed');

let qube: MangleQube;

beforeEach(async () => {
  qube = await MangleQube.create();
});

afterEach(() => qube.close());

describe('apply', () => {
  test('a class: one table, both families, loopback skipped', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    expect(await qube.mangle('apply')).toEqual(
      said(0, '/vm-config/dscp is ef: every packet of this qube leaves with DSCP 46.'),
    );
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test.each([
    ['ef', 46],
    ['cs5', 40],
    ['cs0', 0],
    ['cs2', 16],
    ['cs1', 8],
  ])('%s is DSCP %i', async (className, dscp) => {
    qube.qubesdb.write('/vm-config/dscp', className);
    await qube.mangle('apply');
    const status = JSON.parse((await qube.mangle('status', '--json')).stdout) as unknown;
    expect(status).toEqual({
      version: 1,
      policy: { state: 'class', className },
      lastValid: className,
      inForce: className,
      isInSync: true,
      problems: [],
    });
    expect((await qube.mangle('print')).stdout).toContain(`ip6 dscp set ${dscp}\n`);
  });

  test('defect of the original: a second run appends a duplicate rule', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    const before = await qube.handles();
    expect(await qube.mangle('apply')).toEqual(
      said(0, '/vm-config/dscp is ef: every packet of this qube leaves with DSCP 46 (as before).'),
    );
    expect(await qube.handles()).toBe(before);
  });

  test('defect of the original: the table "ip mangle" is the one of iptables-nft', async () => {
    await qube.nft('table ip mangle {\n chain OUTPUT {\n type route hook output priority -150\n }\n}\n');
    const before = (await qube.namespace.exec(['nft', 'list', 'table', 'ip', 'mangle'])).stdout;
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    await qube.mangle('cleanup');
    expect(await qube.ruleset()).toBe(before);
  });

  test('defect of the original: the marks are never removed', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    qube.qubesdb.remove('/vm-config/dscp');
    expect(await qube.mangle('apply')).toEqual(said(0, '/vm-config/dscp is absent: no marks.'));
    expect(await qube.table()).toBe('');
  });

  test('the class of a policy of dom0 counts where there is no own one', async () => {
    qube.qubesdb.write('/vm-config/qos-class', 'ef');
    expect(await qube.mangle('apply')).toEqual(
      said(0, '/vm-config/qos-class is ef: every packet of this qube leaves with DSCP 46.'),
    );
    expect(JSON.parse((await qube.mangle('status', '--json')).stdout)).toMatchObject({
      path: '/vm-config/qos-class',
      isInSync: true,
    });
    expect((await qube.mangle('status')).stdout).toContain('ef (by a policy of dom0)\n');
    qube.qubesdb.write('/vm-config/dscp', 'cs1');
    await qube.mangle('apply');
    expect((await qube.mangle('print')).stdout).toContain('ip dscp set 8\n');
    qube.qubesdb.write('/vm-config/dscp', '');
    expect(await qube.mangle('apply')).toEqual(said(0, '/vm-config/dscp is empty: no marks.'));
    qube.qubesdb.remove('/vm-config/dscp');
    await qube.mangle('apply');
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test('an empty policy removes the marks too, and is called empty', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'cs1');
    await qube.mangle('apply');
    qube.qubesdb.write('/vm-config/dscp', '');
    expect(await qube.mangle('apply')).toEqual(said(0, '/vm-config/dscp is empty: no marks.'));
    expect(await qube.table()).toBe('');
  });

  test.each([
    ['ef; flush ruleset', '"ef; flush ruleset"'],
    ['EF ', '"EF "'],
    ['ef\n', '"ef\\x0a"'],
    ['\xc3\xa9', '"\\xc3\\xa9"'],
    ['x'.repeat(3071), `"${'x'.repeat(60)}… (3071 characters)"`],
    ['ef}\ntable ip evil {}', '"ef}\\x0atable ip evil {}"'],
  ])('defect of the original: unvalidated text goes to nft: %#', async (value, shown) => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    qube.qubesdb.write('/vm-config/dscp', value);
    expect(await qube.mangle('apply')).toEqual(
      said(
        1,
        `/vm-config/dscp is invalid, found ${shown}, expected ef, cs5, cs0, cs2 or cs1; the last valid policy of this boot stays: every packet of this qube leaves with DSCP 46 (as before). Set a class with qvm-features in dom0.`,
      ),
    );
    expect(await qube.ruleset()).toBe(EF_TABLE);
  });

  test('an invalid policy with no valid one before it: no marks', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'fast');
    const { code, stderr } = await qube.mangle('apply');
    expect(stderr).toContain('there was no valid one since boot: no marks (as before)');
    expect(code).toBe(1);
    expect(await qube.table()).toBe('');
  });

  test('an invalid policy after a flush ruleset: the last valid one of this boot comes back', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    await qube.nft('flush ruleset');
    qube.qubesdb.write('/vm-config/dscp', 'fast');
    await qube.mangle('apply');
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test('an invalid policy after an absent one: still no marks', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    qube.qubesdb.remove('/vm-config/dscp');
    await qube.mangle('apply');
    qube.qubesdb.write('/vm-config/dscp', 'fast');
    await qube.mangle('apply');
    expect(await qube.table()).toBe('');
  });

  test('a rule that somebody put into our table is a difference, and goes', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    await qube.nft('add rule inet qubes-qos-mangle output tcp dport 22 counter');
    expect((await qube.mangle('status')).stdout).toMatch(
      /altered by something else\nas it should be {2}no\nproblem/,
    );
    await qube.mangle('apply');
    expect(await qube.table()).toBe(EF_TABLE);
  });
});

describe('defect of the original: no status, no uninstall. print, check, status, cleanup', () => {
  test('print shows what apply would run, and changes nothing', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    const { stdout } = await qube.mangle('print');
    expect(stdout).toBe(await golden('mangle-ef'));
    expect(await qube.table()).toBe('');
    const json = await qube.mangle('print', '--json');
    expect(JSON.parse(json.stdout)).toEqual({ version: 1, script: stdout });
  });

  test('check runs it through the dry run of nft', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    expect(await qube.mangle('check')).toEqual({ code: 0, stdout: 'nft accepts the script\n', stderr: '' });
    expect(await qube.table()).toBe('');
    expect(JSON.parse((await qube.mangle('check', '--json')).stdout)).toEqual({ version: 1, accepted: true });
    qube.qubesdb.remove('/vm-config/dscp');
    expect((await qube.mangle('check')).code).toBe(0);
    qube.qubesdb.write('/vm-config/dscp', 'EF');
    const invalid = await qube.mangle('check');
    expect(invalid).toMatchObject({ code: 1, stdout: '' });
    expect(invalid.stderr).toContain(
      'found "EF", expected ef, cs5, cs0, cs2 or cs1; there is no script for it',
    );
  });

  test('status tells the policy from what is in force', async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    expect(await qube.mangle('status')).toEqual({
      code: 0,
      stderr: '',
      stdout: `policy           ef
in force         no marks
as it should be  no
problem          table inet qubes-qos-mangle: expected one, found none; apply puts it right.
`,
    });
    await qube.mangle('apply');
    expect((await qube.mangle('status')).stdout).toBe(`policy           ef
in force         every packet of this qube leaves with DSCP 46
as it should be  yes
`);
  });

  test('cleanup removes our table and nothing else', async () => {
    await qube.nft('table inet other {\n}\n');
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    expect(await qube.mangle('cleanup')).toEqual(said(0, 'our nft table is removed: no marks'));
    expect(await qube.ruleset()).toBe('table inet other {\n}\n');
    expect(await qube.mangle('cleanup')).toEqual(said(0, 'our nft table was not there: no marks'));
  });

  test.each([[[]], [['bogus']], [['apply', 'extra']], [['print', '--nonsense']]])(
    'the arguments %j are a usage error, exit code 2',
    async (args) => {
      expect((await qube.mangle(...args)).code).toBe(2);
    },
  );

  test.each([['--help'], ['--version'], ['help']])('%s is not', async (arg) => {
    expect(await qube.mangle(arg)).toMatchObject({ code: 0, stderr: '' });
  });
});

test.each(['mangle-ef', 'mangle-cs1', 'mangle-none'])('golden/%s.nft is accepted by nft', async (name) => {
  const script = await golden(name);
  expect(await qube.namespace.exec(['nft', '-c', '-f', '-'], { stdin: script })).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  });
});
