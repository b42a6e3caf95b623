import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Intercept } from '../sim/qubesd.js';
import { Dom0 } from './dom0.js';

let dom0: Dom0;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'machine-'));
});

afterEach(async () => {
  await dom0.close();
  await rm(directory, { recursive: true });
});

async function boot(intercept?: Intercept): Promise<void> {
  dom0 = await Dom0.boot({ directory, ...(intercept === undefined ? {} : { intercept }) });
}

async function write(name: string, text: string): Promise<void> {
  await writeFile(join(directory, name), text);
}

const OFFICE = `# One file for all machines of the office.
import = ["common.toml"]

[qubes.work]
class = "ef"
limit = { up = "5mbit", down = "20mbit" }
rules = ["user:backup -> cs1", "tcp/22 -> cs5"]

[qubes.mail]
policy = "calls"

[qubes.sys-net]
line = { up = "20mbit", down = "100mbit", overhead = "docsis" }
`;

const COMMON = `[policies.calls]
class = "cs5"
tags = ["meeting"]
rules = ["udp/3478-3481 -> ef"]

[qubes.sys-firewall]
policy = "background"
enforce = true

[policies.background]
class = "cs1"
up = "2mbit"
`;

test('a page of documentation', async () => {
  await boot();
  await write('office.toml', OFFICE);
  await write('common.toml', COMMON);
  await dom0.type('-q set untrusted cs2');
  dom0.page('');
  for (const line of [
    'diff office.toml',
    '-v apply office.toml',
    'diff office.toml',
    'export',
    'apply office.toml',
  ])
    await dom0.type(line);
  await dom0.type('-q set work cs2');
  await dom0.type('diff office.toml');
  await dom0.type('--json diff --keep office.toml');
  await expect(dom0.page('The machine as a file')).toMatchFileSnapshot('snapshots/qvm-qos/machine.md');
});

test('what is exported makes the machine again', async () => {
  await boot();
  await write('office.toml', OFFICE);
  await write('common.toml', COMMON);
  await dom0.type('apply office.toml');
  dom0.machine.setFeature('vault', 'vm-config.dscp', '');
  dom0.machine.setFeature('mail', 'vm-config.qos-rules', '');
  await dom0.type('sync');
  expect(dom0.vmConfig('mail', 'qos-policy-rules')).toBe('udp/3478-3481->ef');
  const before = new Map(dom0.machine.qubes().map(({ name, features }) => [name, new Map(features)]));
  await write('export.toml', (await dom0.type('export')).stdout);
  expect(await dom0.type('diff export.toml')).toMatchObject({ stdout: '', exitCode: 0 });
  await write('empty.toml', '');
  await dom0.type('apply empty.toml');
  expect(dom0.vmConfig('work', 'dscp')).toBeUndefined();
  expect(dom0.vmConfig('work', 'qos-rules')).toBeUndefined();
  expect(dom0.vmConfig('mail', 'qos-policy-rules')).toBeUndefined();
  await dom0.type('apply export.toml');
  // Where dom0's word counts was turned on by publication, and stays.
  expect(new Map(dom0.machine.qubes().map(({ name, features }) => [name, new Map(features)]))).toEqual(
    before,
  );
});

test('with --keep, what the file does not name stays', async () => {
  await boot();
  await dom0.type('-q set personal work cs2');
  await dom0.type('policy create old --class cs1');
  await write('one.toml', '[qubes.work]\nlimit = { up = "1mbit" }\npolicy = "old"\n');
  await dom0.type('apply --keep one.toml');
  expect(dom0.vmConfig('personal', 'dscp')).toBe('cs2');
  expect(dom0.vmConfig('work', 'dscp')).toBeUndefined();
  expect(dom0.machine.qube('work').features.get('qos.attach')).toBe('old');
  expect(dom0.machine.qube('dom0').features.get('qos.policy.old')).toBe('class=cs1');
  expect((await dom0.type('diff --keep one.toml')).exitCode).toBe(0);
});

test('a value that means the same is no difference', async () => {
  await boot();
  dom0.machine.setFeature('work', 'qos.limit', 'down=2000kbit  up=1mbit');
  dom0.machine.setFeature('mail', 'vm-config.qos-rules', 'to:10.1.2.3/8,user:a->ef;tcp/22-22 ->cs5');
  dom0.machine.setFeature('dom0', 'qos.policy.calls', 'rules=tcp/22->cs5;to:FD00::1->ef class=ef');
  const lines = [
    '[qubes.work]',
    'limit = { down = "2mbit", up = "1mbit" }',
    '[qubes.mail]',
    'rules = ["user:a,to:10.0.0.0/8 -> ef", "tcp/22->cs5"]',
    '[policies.calls]',
    'class = "ef"',
    'rules = ["tcp/22 -> cs5", "to:fd00::1 -> ef"]',
  ];
  await write('one.toml', `${lines.join('\n')}\n`);
  expect(await dom0.type('diff one.toml')).toMatchObject({ stdout: '', exitCode: 0 });
});

test('rules that only a newer version knows are named, not exported and not replaced unseen', async () => {
  await boot();
  dom0.machine.setFeature('work', 'vm-config.qos-rules', 'app:zoom -> ef');
  const { stdout, stderr } = await dom0.type('export');
  expect(stdout).toBe('');
  expect(stderr).toContain(
    'warning: vm-config.qos-rules of work is left out: rule 1, "app:zoom -> ef": match',
  );
  await write('one.toml', '[qubes.work]\nrules = []\n');
  expect(await dom0.type('diff one.toml')).toMatchObject({
    stdout: 'work vm-config.qos-rules: "app:zoom -> ef" -> ""\n',
    exitCode: 1,
  });
});

test('the Salt state uses commands that there are, with a file that is right', async () => {
  await boot();
  const salt = new URL('../../salt/qubes-qos/', import.meta.url);
  const state = await readFile(new URL('init.sls', salt), 'utf8');
  await write('machine.toml', await readFile(new URL('machine.toml', salt), 'utf8'));
  const [, file = ''] = /^ {2}file\.managed:|^(\/\S+):$/m.exec(state) ?? [];
  const lineOf = (key: string): string => new RegExp(`- ${key}: qvm-qos (.*)$`, 'm').exec(state)?.[1] ?? '';
  const run = (line: string): Promise<{ exitCode: number | null }> =>
    dom0.type(line.replace(file, 'machine.toml'));
  expect(await run(lineOf('unless'))).toMatchObject({ exitCode: 1, stderr: '' });
  expect(await run(lineOf('name'))).toMatchObject({ exitCode: 0 });
  expect(await run(lineOf('unless'))).toMatchObject({ exitCode: 0 });
});

test('one write that is refused takes all the others back', async () => {
  await boot(({ method, argument }) =>
    method === 'admin.vm.feature.Set' && argument === 'vm-config.qos-uplink' ? 'close' : undefined,
  );
  await write('office.toml', OFFICE);
  await write('common.toml', COMMON);
  const { stderr, exitCode } = await dom0.type('apply office.toml');
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^qvm-qos: error: sys-net: qubesd closed .*; nothing was changed\.\n$/);
  expect(dom0.machine.qubes().flatMap(({ features }) => [...features])).toEqual([]);
});

describe('what is wrong with a file has its line', () => {
  test.each([
    [
      '[qubes.work]\nclass = "gold"',
      'one.toml:2: qubes.work.class: expected ef, cs5, cs0, cs2 or cs1, or none; ',
    ],
    ['[qubes.work]\n\ncolour = "red"', 'one.toml:3: unknown key "colour" in [qubes.work]; '],
    ['[qubes.work]\nlimit = { up = "5mbps" }', 'one.toml:2: qubes.work.limit.up: rate "5mbps": expected'],
    ['[qubes.work]\nlimit = { up = 5 }', 'one.toml:2: qubes.work.limit.up: found 5, expected a string'],
    ['[qubes.work]\nlimit = { burst = "1kb" }', 'one.toml:2: qubes.work.limit: burst without up'],
    ['[qubes.nosuch]\nclass = "ef"', 'one.toml:1: there is no qube "nosuch" that can have this; '],
    ['[qubes.dom0]\nclass = "ef"', 'one.toml:1: there is no qube "dom0" that can have this; '],
    ['[qubes.work]\npolicy = "nosuch"', 'one.toml:2: there is no policy nosuch; '],
    [
      '[qubes.work]\nline = { up = "1mbit" }',
      'one.toml:2: work provides no network, so that it has no line; ',
    ],
    ['[policies."a b"]\nclass = "ef"', 'one.toml:1: policies.a b: '],
    [
      '[qubes.work]\nrules = [\n  "tcp/22 -> cs5",\n  "user:a",\n]',
      'one.toml:2: qubes.work.rules: rule 2, "user:a": expected MATCH,… -> CLASS, as in user:backup -> cs1; ',
    ],
    [
      '[qubes.work]\nclass = "ef"\nrules = ["user:a -> ef; user:b -> ef"]',
      'one.toml:3: qubes.work.rules: rule 1, "user:a -> ef; user:b -> ef": expected MATCH',
    ],
    ['[qubes.work]\nrules = "tcp -> ef"', 'one.toml:2: qubes.work.rules: found "tcp -> ef", expected a list'],
    [
      '[policies.a]\nclass = "ef"\nrules = ["app:zoom -> ef"]',
      'one.toml:3: policies.a.rules: rule 1, "app:zoom -> ef": match "app:zoom": expected one of',
    ],
    ['[policies.a]\ntags = ["x;y"]', 'one.toml:2: policies.a.tags.0: tag "x;y": expected'],
    [
      '[policies.a]\ntags = ["x"]\n[policies.b]\ntags = ["x"]',
      'one.toml:4: the tag x has the policy a; a tag has one; ',
    ],
    ['import = ["nosuch.toml"]', /one\.toml:1: import: .*nosuch\.toml: ENOENT/],
    ['\nimport = ["one.toml"]', /one\.toml:2: a file imports itself \(.*one\.toml -> .*one\.toml\); /],
    [
      'import = ["two.toml"]',
      /two\.toml:1: a file imports itself \(.*one\.toml -> .*two\.toml -> .*one\.toml\); /,
    ],
    ['[qubes.work', /^qvm-qos: error: one\.toml:1: Invalid TOML/],
  ])('%j', async (text, said) => {
    await boot();
    await write('one.toml', `${text}\n`);
    await write('two.toml', 'import = ["one.toml"]\n');
    const { stderr, exitCode } = await dom0.type('apply one.toml');
    if (typeof said === 'string') expect(stderr).toContain(said);
    else expect(stderr).toMatch(said);
    expect(stderr).toMatch(/; nothing was changed\.\n$/);
    expect(exitCode).toBe(1);
    expect(dom0.machine.qubes().flatMap(({ features }) => [...features])).toEqual([]);
  });

  test('more rules than there can be, longer ones than a feature can hold', async () => {
    await boot();
    const rules = (rule: string, count: number): string =>
      `rules = [${Array.from({ length: count }, () => `"${rule}"`).join(', ')}]\n`;
    await write('one.toml', `[policies.a]\n${rules('tcp -> ef', 65)}`);
    expect((await dom0.type('apply one.toml')).stderr).toBe(
      'qvm-qos: error: one.toml:2: policies.a.rules: 65 rules: expected at most 64; nothing was changed.\n',
    );
    await write('one.toml', `[qubes.work]\n${rules(`cgroup:${'x'.repeat(60)} -> ef`, 50)}`);
    expect((await dom0.type('apply one.toml')).stderr).toBe(
      'qvm-qos: error: one.toml:2: qubes.work.rules: 3748 bytes: expected at most 3071 for all rules, the limit of QubesDB; nothing was changed.\n',
    );
  });

  test('no such file', async () => {
    await boot();
    expect(await dom0.type('diff nosuch.toml')).toMatchObject({
      stderr: expect.stringMatching(/^qvm-qos: error: nosuch\.toml: .*; nothing was changed\.\n$/) as string,
      exitCode: 1,
    });
  });
});
