import { afterEach, describe, expect, test } from 'vitest';
import type { Intercept } from '../sim/qubesd.js';
import { Dom0 } from './dom0.js';
import { expectPage } from './page.js';

let dom0: Dom0;

afterEach(() => dom0.close());

async function boot(intercept?: Intercept): Promise<void> {
  dom0 = await Dom0.boot(intercept === undefined ? {} : { intercept });
}

function feature(qube: string, name: string): string | undefined {
  return dom0.machine.qube(qube).features.get(name);
}

describe('pages of documentation', () => {
  test('policies', async () => {
    await boot();
    dom0.machine.addTag('personal', 'bulk');
    await expectPage(dom0, 'Policies', 'policy', [
      'policy list',
      'policy create calls --class ef --up 5mbit',
      [
        'policy',
        'create',
        'backups',
        '--class',
        'cs1',
        '--rule',
        'user:restore -> cs0',
        '--rule',
        'tcp/22 -> cs5',
      ],
      '-v policy attach calls work mail',
      '-q policy attach backups sys-firewall --tag bulk',
      'policy list',
      'policy show backups',
      '--json policy show backups',
      'policy update calls --up off --down 20mbit',
      ['-v', 'policy', 'update', 'calls', '--rule', 'udp/3478-3481 -> ef'],
      '-v policy update backups --rule off',
      'list',
      'policy detach backups sys-firewall',
      'policy update calls --no-rules',
      'policy show calls',
      '-v policy delete calls',
      '-v policy delete backups',
      'policy list',
    ]);
    expect(dom0.machine.qubes().flatMap(({ features }) => [...features.keys()])).toEqual([
      'vm-config.qos-enforce',
      'vm-config.qos-enforce',
    ]);
  });

  test('what is refused', async () => {
    await boot();
    await dom0.type('policy create calls --class ef');
    await dom0.type('policy create other --class cs1');
    await dom0.type('-q policy attach other --tag bulk');
    dom0.page('');
    await expectPage(dom0, 'What is refused of policies', 'policy-refused', [
      'policy',
      'policy frobnicate',
      'policy create calls',
      'policy create a.b',
      'policy create x --class gold',
      'policy create x --up 5',
      'policy create x --burst 64kb',
      ['policy', 'create', 'x', '--rule', 'tcp -> ef', '--rule', 'user:a'],
      ['policy', 'update', 'calls', '--rule', 'off', '--rule', 'tcp -> ef'],
      ['policy', 'update', 'calls', '--rule', ''],
      'policy update calls',
      'policy update calls --no-rules --class ef',
      'policy update nosuch --class ef',
      'policy delete nosuch',
      'policy attach calls',
      'policy attach nosuch work',
      'policy attach calls nosuch',
      'policy attach calls dom0',
      'policy attach calls --tag bulk',
      'policy attach calls --tag a;b',
      'policy detach calls work --tag bulk',
      'policy show nosuch',
    ]);
    await dom0.type(['policy', 'create', 'a; b']);
    await dom0.type(['policy', 'create', '../../x']);
    expect(await dom0.type(['policy', 'show', 'é\n'])).toMatchObject({
      stderr: 'qvm-qos: error: no such policy: "\\xe9\\x0a"; expected calls, other.\n',
    });
    expect(feature('dom0', 'qos.policy.calls')).toBe('class=ef');
  });
});

test('precedence: clearing one word falls back to the next', async () => {
  await boot();
  dom0.machine.addTag('work', 'dev');
  const entry = (): string | undefined => dom0.vmConfig('sys-firewall', 'qos.10.137.0.5');
  await dom0.type('-q policy create mine --class ef');
  await dom0.type('-q policy create tagged --class cs5 --up 4mbit');
  await dom0.type('-q policy create all --class cs2 --down 3mbit');
  await dom0.type('-q policy attach mine work');
  await dom0.type('-q policy attach tagged --tag dev');
  await dom0.type('-q policy attach all sys-firewall');
  await dom0.type('-q set work cs1');
  expect(entry()).toBe('class=cs1 max=cs1 zero=class up=4mbit');
  await dom0.type('-q unset work');
  expect(entry()).toBe('class=ef max=ef zero=class up=4mbit');
  expect(dom0.vmConfig('work', 'qos-class')).toBe('ef');
  await dom0.type('-q policy detach mine work');
  expect(entry()).toBe('class=cs5 max=cs5 zero=class up=4mbit');
  dom0.machine.removeTag('work', 'dev');
  await dom0.type('-q sync');
  expect(entry()).toBe('class=cs2 max=cs2 zero=class down=3mbit');
  expect(dom0.vmConfig('work', 'qos-class')).toBe('cs2');
  await dom0.type('-q policy delete all');
  expect(entry()).toBeUndefined();
  expect(dom0.vmConfig('work', 'qos-class')).toBeUndefined();
});

test('rules fall back by themselves, and an update leaves what it does not name', async () => {
  await boot();
  const entry = (): string | undefined => dom0.vmConfig('sys-firewall', 'qos.10.137.0.5');
  await dom0.type(['-q', 'policy', 'create', 'mine', '--class', 'cs2', '--rule', 'udp/3478 -> ef']);
  await dom0.type(['-q', 'policy', 'create', 'all', '--rule', 'tcp/22 -> cs5', '--up', '3mbit']);
  await dom0.type('-q policy attach mine work --tag dev');
  await dom0.type('-q policy attach all sys-firewall');
  expect(feature('dom0', 'qos.policy.mine')).toBe('class=cs2 tags=dev rules=udp/3478->ef');
  expect(entry()).toBe('class=cs2 max=ef zero=keep up=3mbit');
  expect(dom0.vmConfig('work', 'qos-policy-rules')).toBe('udp/3478->ef');
  await dom0.type('policy update mine --class cs1');
  expect(feature('dom0', 'qos.policy.mine')).toBe('class=cs1 tags=dev rules=udp/3478->ef');
  await dom0.type(['policy', 'update', 'mine', '--rule', 'user:a -> cs0', '--rule', 'user:b -> cs1']);
  expect(feature('dom0', 'qos.policy.mine')).toBe('class=cs1 tags=dev rules=user:a->cs0;user:b->cs1');
  expect(entry()).toBe('class=cs1 max=cs0 zero=keep up=3mbit');
  await dom0.type('policy update mine --rule off');
  expect(feature('dom0', 'qos.policy.mine')).toBe('class=cs1 tags=dev');
  expect(dom0.vmConfig('work', 'qos-policy-rules')).toBe('tcp/22->cs5');
  expect(entry()).toBe('class=cs1 max=cs5 zero=keep up=3mbit');
  await dom0.type('policy update all --no-rules');
  expect(dom0.vmConfig('work', 'qos-policy-rules')).toBeUndefined();
  expect(entry()).toBe('class=cs1 max=cs1 zero=class');
  await dom0.type(['policy', 'update', 'mine', '--rule', 'tcp -> ef']);
  await dom0.type('policy update mine --no-rules');
  expect(feature('dom0', 'qos.policy.mine')).toBe('tags=dev');
  await dom0.type(['policy', 'update', 'mine', '--rule', 'tcp -> ef']);
  await dom0.type('-q policy delete mine');
  expect(dom0.vmConfig('work', 'qos-policy-rules')).toBeUndefined();
  expect(entry()).toBeUndefined();
});

test('rules that do not fit a feature: nothing is written', async () => {
  await boot();
  await dom0.type('policy create calls --class ef');
  const rules = Array.from({ length: 12 }, (_, index) => [
    '--rule',
    `cgroup:${'x'.repeat(250)}${index} -> ef`,
  ]);
  const { stderr, exitCode } = await dom0.type(['policy', 'update', 'calls', ...rules.flat()]);
  expect({ stderr, exitCode }).toEqual({
    stderr: expect.stringMatching(
      /value of qos\.policy\.calls has \d+ bytes: expected at most 3071, .*it was not sent\./,
    ) as string,
    exitCode: 1,
  });
  expect(feature('dom0', 'qos.policy.calls')).toBe('class=ef');
});

test('attached twice is attached once', async () => {
  await boot();
  await dom0.type('policy create calls --class ef');
  await dom0.type('-q policy attach calls work work --tag x --tag x');
  expect(await dom0.type('policy attach calls work --tag x')).toEqual({
    stdout: '',
    stderr: '',
    exitCode: 0,
  });
  expect(feature('dom0', 'qos.policy.calls')).toBe('class=ef tags=x');
  expect(feature('work', 'qos.attach')).toBe('calls');
});

describe('one transaction', () => {
  const refuseMail: Intercept = ({ method, argument, destination }) =>
    method.startsWith('admin.vm.feature.') &&
    !/(List|Get)$/.test(method) &&
    argument === 'qos.attach' &&
    destination === 'mail'
      ? 'close'
      : undefined;

  test('an attachment that is refused takes the others back', async () => {
    await boot(refuseMail);
    await dom0.type('policy create old --class cs1');
    await dom0.type('policy create calls --class ef');
    await dom0.type('-q policy attach old personal');
    const { stderr, exitCode } = await dom0.type('policy attach calls work personal mail --tag x');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^qvm-qos: error: mail: qubesd closed .*; nothing was changed\.\n$/);
    expect(feature('work', 'qos.attach')).toBeUndefined();
    expect(feature('personal', 'qos.attach')).toBe('old');
    expect(feature('dom0', 'qos.policy.calls')).toBe('class=ef');
  });

  test('a deletion that is refused deletes nothing', async () => {
    await boot(refuseMail);
    await dom0.type('policy create calls --class ef');
    await dom0.type('-q policy attach calls work personal');
    dom0.machine.setFeature('mail', 'qos.attach', 'calls');
    expect((await dom0.type('policy delete calls')).exitCode).toBe(1);
    expect(feature('work', 'qos.attach')).toBe('calls');
    expect(feature('personal', 'qos.attach')).toBe('calls');
    expect(feature('dom0', 'qos.policy.calls')).toBe('class=ef');
  });

  test('too many tags for one feature: nothing is written', async () => {
    await boot();
    await dom0.type('policy create calls --class ef');
    const tags = Array.from({ length: 60 }, (_, index) => ['--tag', `${'t'.repeat(60)}${index}`]).flat();
    const { stderr, exitCode } = await dom0.type(['policy', 'attach', 'calls', 'work', ...tags]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /value of qos\.policy\.calls has \d+ bytes: expected at most 3071, .*it was not sent\./,
    );
    expect(feature('work', 'qos.attach')).toBeUndefined();
  });
});

test('a policy that cannot be read is shown, said, and has no effect', async () => {
  await boot();
  dom0.machine.setFeature('dom0', 'qos.policy.calls', 'class=ef class=ef');
  dom0.machine.setFeature('work', 'qos.attach', 'calls');
  const { stdout, stderr } = await dom0.type('policy list');
  expect(stdout).toMatch(/^calls +cannot be read +work$/m);
  expect(stderr).toContain(
    'warning: qos.policy.calls of dom0 is not used: "class" is given twice: expected once.',
  );
  await dom0.type('sync');
  expect(dom0.vmConfig('work', 'qos-class')).toBeUndefined();
  expect((await dom0.type('policy update calls --class ef')).stderr).toContain(
    'warning: the value before is not kept whole: qos.policy.calls of dom0 is not used: "class" is given twice',
  );
  expect(dom0.vmConfig('work', 'qos-class')).toBe('ef');
});
