import { afterEach, describe, expect, test } from 'vitest';
import { Dom0 } from './dom0.js';
import { expectPage } from './page.js';

let dom0: Dom0;

afterEach(() => dom0.close());

async function boot(): Promise<void> {
  dom0 = await Dom0.boot();
}

describe('pages of documentation', () => {
  test('a class', async () => {
    await boot();
    await expectPage(dom0, 'Giving a qube a class', 'set', [
      'set work ef',
      'uplink sys-net --up 20mbit --down 100mbit',
      'set work ef',
      'get work',
      '-v set personal untrusted cs1',
      'list',
      'unset personal',
      'get personal',
      '-v unset personal untrusted',
      'list',
    ]);
    expect(dom0.vmConfig('work', 'dscp')).toBe('ef');
    expect(dom0.vmConfig('personal', 'dscp')).toBeUndefined();
  });

  test('several qubes', async () => {
    await boot();
    await dom0.type(['uplink', 'sys-net', '--up', '20mbit']);
    await expectPage(dom0, 'Several qubes at once', 'several', [
      '-v set sys-* untrusted cs2',
      '-v set [pw]* ef',
      '-v unset [!s]*',
      '-v set --all --exclude anon-whonix --exclude sys-* cs1',
      'list',
      'list --all',
      '-q unset --all',
      'list',
    ]);
  });

  test('where a class does not do what one may think', async () => {
    await boot();
    await expectPage(dom0, 'Warnings and notes', 'notes', [
      'set work ef',
      'uplink sys-net --up off',
      'set work ef',
      'uplink sys-net --up auto',
      'set work ef',
      'uplink sys-net --up 20mbit',
      'set work ef',
      'set mail ef',
      'set vault ef',
      'set debian-13 ef',
      'set anon-whonix sys-whonix ef',
      '-q set mail vault debian-13 anon-whonix ef',
    ]);
  });

  test('the rate of a line', async () => {
    await boot();
    await expectPage(dom0, 'The rate of a line', 'uplink', [
      'uplink sys-net',
      'uplink sys-net --up 20mbit',
      'uplink sys-net --down 1.5gbit',
      'uplink sys-net',
      '--json uplink sys-net',
      'uplink sys-net --none',
      'uplink sys-net',
      'uplink sys-net --up 20Mbps',
      'uplink sys-net --up 20mbit --none',
      'uplink work --up 20mbit',
      'uplink dom0 --up 20mbit',
      'uplink nosuch --up 20mbit',
    ]);
  });

  test('for programs', async () => {
    await boot();
    await expectPage(dom0, 'JSON', 'json', [
      '--json set mail anon-whonix ef',
      'get --json mail',
      'get --json work',
      'list --json',
      'unset mail --json',
    ]);
  });

  test('bad input', async () => {
    await boot();
    await expectPage(dom0, 'What is refused', 'refused', [
      'set work gold',
      'set work EF',
      'set ef work',
      'set work',
      'set',
      'set --all work ef',
      'set --exclude work personal ef',
      'set nosuch ef',
      'set work nosuch ef',
      'set no$such ef',
      'set x* ef',
      'set --all --exclude nosuch ef',
      'set dom0 ef',
      'set office-pc ef',
      'set work ef; ef',
      'get nosuch',
      'get',
      'frobnicate',
      'set --frobnicate work ef',
      '',
    ]);
    await dom0.type(['set', 'work', 'ef; flush ruleset']);
    await dom0.type(['set', 'work', 'ef ']);
    await dom0.type(['set', 'work', 'ef\n']);
    await dom0.type(['set', 'work', 'éf']);
    await dom0.type(['set', 'a\nb', 'ef']);
    await expect(dom0.page('What is refused, odd characters')).toMatchFileSnapshot(
      'snapshots/qvm-qos/refused-characters.md',
    );
    const { stderr, exitCode } = await dom0.type(['set', 'work', 'e'.repeat(3072)]);
    expect(stderr.length).toBeLessThan(400);
    expect(exitCode).toBe(2);
    for (const { name, features } of dom0.machine.qubes()) expect([name, ...features]).toEqual([name]);
  });

  test('help', async () => {
    await boot();
    await expectPage(dom0, 'Help', 'help', ['--help', 'set --help', 'uplink -h', 'rule --help']);
  });
});

test('--version names the program, the suite and the version of package.json', async () => {
  await boot();
  const { default: manifest } = (await import('../../package.json')) as { default: { version: string } };
  expect(await dom0.type(['--version'])).toEqual({
    stdout: `qvm-qos (Qubes QoS) ${manifest.version}\nLicense: AGPL-3.0-or-later\n`,
    stderr: '',
    exitCode: 0,
  });
});
