import { getuid } from 'node:process';
import { afterEach, describe, expect, test } from 'vitest';
import type { Intercept } from '../sim/qubesd.js';
import { Dom0 } from './dom0.js';

/** The user nobody, who is not in the group that may speak to qubesd. */
const NOBODY = 65534;

let dom0: Dom0;

afterEach(() => dom0.close());

async function boot(options?: { intercept?: Intercept; isDown?: boolean }): Promise<void> {
  dom0 = await Dom0.boot(options);
}

describe('values that something else has stored', () => {
  test.each(['ef; flush ruleset', 'EF ', 'af41', 'é\n'])('get says that %j is no class', async (value) => {
    await boot();
    dom0.machine.qube('work').features.set('vm-config.dscp', value);
    const { stdout, stderr, exitCode } = await dom0.type(['get', 'work']);
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 1 });
    expect(stderr).toMatch(
      /^qvm-qos: error: vm-config\.dscp of work is "[ -~]+": expected ef, cs5, cs0, cs2 or cs1; /,
    );
    expect((await dom0.type(['list'])).stdout).toMatch(/^work +Running +"[ -~]+" \(invalid\) +- +- +- +-$/m);
  });

  test('an empty class, the "false" of features, is none', async () => {
    await boot();
    dom0.machine.setFeature('work', 'vm-config.dscp', '');
    expect(await dom0.type(['get', 'work'])).toEqual({ stdout: '', stderr: '', exitCode: 1 });
  });

  test('a line keeps the keys that this version knows, and loses the others with a warning', async () => {
    await boot();
    dom0.machine.setFeature(
      'sys-net',
      'vm-config.qos-uplink',
      'colour=red scheduler=cake down=5mbit overhead=18',
    );
    const { stderr, exitCode } = await dom0.type(['uplink', 'sys-net', '--up', '1mbit']);
    expect(exitCode).toBe(0);
    expect(stderr).toBe(
      'qvm-qos: warning: dropped from the value before: unknown key "colour" ignored: this version knows up, down, scheduler, overhead.\n',
    );
    expect(dom0.vmConfig('sys-net', 'qos-uplink')).toBe('up=1mbit down=5mbit scheduler=cake overhead=18');
  });

  test('a line that cannot be read is an error to show, and is replaced with a warning', async () => {
    await boot();
    dom0.machine.setFeature('sys-net', 'vm-config.qos-uplink', 'up=fast');
    expect(await dom0.type(['uplink', 'sys-net'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('vm-config.qos-uplink of sys-net: up: rate "fast"') as string,
    });
    expect((await dom0.type(['set', 'work', 'ef'])).stderr).toContain(
      'qvm-qos: sys-net: vm-config.qos-uplink cannot be used (up: rate "fast"',
    );
    expect((await dom0.type(['uplink', 'sys-net', '--up', '1mbit'])).stderr).toContain(
      'is replaced: up: rate "fast"',
    );
    expect(dom0.vmConfig('sys-net', 'qos-uplink')).toBe('up=1mbit');
  });
});

describe('when qubesd does not do it', () => {
  test('a failure at the third of five: says which are done, and which is not', async () => {
    const third: Intercept = ({ method, destination }) =>
      method === 'admin.vm.feature.Set' && destination === 'untrusted' ? 'close' : undefined;
    await boot({ intercept: third });
    await dom0.type(['set', 'work', 'personal', 'untrusted', 'mail', 'vault', 'ef']);
    await dom0.type(['-q', '--json', 'set', 'work', 'personal', 'untrusted', 'mail', 'vault', 'cs1']);
    await expect(dom0.page('One of several fails')).toMatchFileSnapshot('snapshots/qvm-qos/half.md');
    expect(dom0.vmConfig('vault', 'dscp')).toBe('cs1');
    expect(dom0.vmConfig('untrusted', 'dscp')).toBeUndefined();
  });

  test('one reason for many qubes is said once', async () => {
    await boot({ intercept: ({ method }) => (method === 'admin.vm.feature.Set' ? 'close' : undefined) });
    const { stderr, exitCode } = await dom0.type(['set', 'work', 'personal', 'mail', 'ef']);
    expect(exitCode).toBe(1);
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^qvm-qos: error: work, personal, mail: qubesd closed the connection/) as string,
      'qvm-qos: error: set: done for none; not for work, personal, mail.',
      '',
    ]);
  });

  test('a QubesDB that refuses: the qube keeps the class that it had', async () => {
    await boot();
    let isBroken = false;
    const written: string[] = [];
    dom0.machine.attachQubesdb('work', {
      write: (path, value) => {
        if (isBroken && value === 'ef') throw new Error('qubesdb.Error');
        if (path === '/vm-config/dscp') written.push(value);
      },
      remove: () => undefined,
    });
    await dom0.type(['set', 'work', 'cs1']);
    isBroken = true;
    expect(await dom0.type(['set', 'work', 'ef'])).toMatchObject({ exitCode: 1, stdout: '' });
    expect(dom0.vmConfig('work', 'dscp')).toBe('cs1');
    expect(written).toEqual(['cs1', 'cs1']);
  });

  test('advice that cannot be given is a note: the class is set', async () => {
    const tagsOfWork: Intercept = ({ method, destination }) =>
      method === 'admin.vm.tag.List' && destination === 'work' ? 'close' : undefined;
    await boot({ intercept: tagsOfWork });
    const { stderr, exitCode } = await dom0.type(['set', 'work', 'ef']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('qvm-qos: work: whether it has an effect on delay is not known: qubesd closed');
    expect(dom0.vmConfig('work', 'dscp')).toBe('ef');
  });

  test('NetVMs that cannot be told: the class is set, and it is said what to type', async () => {
    const tagsOfNetvm: Intercept = ({ method, destination }) =>
      method === 'admin.vm.tag.List' && destination === 'sys-firewall' ? 'close' : undefined;
    await boot({ intercept: tagsOfNetvm });
    const { stderr, exitCode } = await dom0.type(['set', 'work', 'ef']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^qvm-qos: error: the NetVMs were not told: qubesd closed .*; to try again: qvm-qos sync$/m,
    );
    expect(dom0.vmConfig('work', 'dscp')).toBe('ef');
    expect(dom0.vmConfig('sys-firewall', 'qos.10.137.0.5')).toBeUndefined();
  });

  test('one entry that is refused: the others are written, and it is said which', async () => {
    const oneEntry: Intercept = ({ method, argument }) =>
      method === 'admin.vm.feature.Set' && argument === 'vm-config.qos.10.137.0.6' ? 'close' : undefined;
    await boot({ intercept: oneEntry });
    const { stderr, exitCode } = await dom0.type(['-q', 'set', 'work', 'personal', 'ef']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^qvm-qos: error: sys-firewall: vm-config\.qos\.10\.137\.0\.6: qubesd closed .*; to try again: qvm-qos sync\n$/,
    );
    expect(dom0.vmConfig('sys-firewall', 'qos.10.137.0.5')).toBe('class=ef max=ef zero=class');
  });

  test('qubesd absent', async () => {
    await boot({ isDown: true });
    expect(await dom0.type(['set', 'work', 'ef'])).toEqual({
      stdout: '',
      stderr:
        'qvm-qos: error: no qubesd at /var/run/qubesd.sock: expected to run in dom0, with qubesd running.\n',
      exitCode: 1,
    });
  });

  test('permission denied', async () => {
    await boot();
    await dom0.restrictSocket();
    // Root may always connect, so the program is run as somebody else; anybody else is locked out already.
    expect(await dom0.type(['set', 'work', 'ef'], getuid?.() === 0 ? NOBODY : undefined)).toEqual({
      stdout: '',
      stderr:
        'qvm-qos: error: permission denied for /var/run/qubesd.sock: expected a user of the group qubes, or root.\n',
      exitCode: 1,
    });
  });
});
