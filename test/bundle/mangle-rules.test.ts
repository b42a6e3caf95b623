import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { golden, MangleQube, said } from './mangle-qube.js';

const EF_TABLE = await golden('mangle-ef-listed');

let qube: MangleQube;

beforeEach(async () => {
  qube = await MangleQube.create();
  qube.qubesdb.write('/vm-config/dscp', 'ef');
});

afterEach(() => qube.close());

describe('rules', () => {
  test('are in the table before the class, and a second run changes nothing', async () => {
    qube.qubesdb.write('/vm-config/qos-rules', 'user:root,udp/53 -> cs5; to:10.0.0.0/8 -> cs1');
    const sentence =
      '/vm-config/dscp is ef, /vm-config/qos-rules has 2 rules: every packet of this qube leaves with DSCP 46, but those that a rule matches';
    expect(await qube.mangle('apply')).toEqual(said(0, `${sentence}.`));
    expect(await qube.table()).toContain(`oif "lo" accept
\t\tmeta skuid 0 udp dport 53 ip dscp set cs5 accept
\t\tmeta skuid 0 udp dport 53 ip6 dscp set cs5 accept
\t\tip daddr 10.0.0.0/8 ip dscp set cs1 accept
\t\tip dscp set ef
\t\tip6 dscp set ef
`);
    const before = await qube.handles();
    expect(await qube.mangle('apply')).toEqual(said(0, `${sentence} (as before).`));
    expect(await qube.handles()).toBe(before);
  });

  test('alone leave other packets as they are, and go with the key', async () => {
    qube.qubesdb.remove('/vm-config/dscp');
    qube.qubesdb.write('/vm-config/qos-rules', 'tcp/443 -> cs5');
    await qube.mangle('apply');
    const status = JSON.parse((await qube.mangle('status', '--json')).stdout) as unknown;
    const list = ['tcp/443 -> cs5'];
    expect(status).toEqual({
      version: 1,
      policy: { state: 'absent' },
      lastValid: 'none',
      inForce: 'none',
      rules: { state: 'rules', list, lastValid: list, inForce: true },
      isInSync: true,
      problems: [],
    });
    expect((await qube.mangle('print')).stdout).toBe(await golden('mangle-rules-only'));
    expect((await qube.mangle('check')).stdout).toBe('nft accepts the script\n');
    qube.qubesdb.remove('/vm-config/qos-rules');
    await qube.mangle('apply');
    expect(await qube.table()).toBe('');
  });

  test('of a policy of dom0 count where there are none of its own; empty ones say "none"', async () => {
    qube.qubesdb.write('/vm-config/qos-policy-rules', 'tcp -> cs2');
    await qube.mangle('apply');
    expect(await qube.table()).toContain('meta l4proto tcp ip6 dscp set cs2 accept');
    expect((await qube.mangle('status')).stdout).toContain(
      'rule             tcp -> cs2 (by a policy of dom0)\n',
    );
    qube.qubesdb.write('/vm-config/qos-rules', '');
    expect((await qube.mangle('apply')).stderr).toContain('/vm-config/qos-rules is empty: every packet');
    expect(await qube.table()).toBe(EF_TABLE);
    qube.qubesdb.write('/vm-config/qos-rules', 'udp -> cs1');
    await qube.mangle('apply');
    expect(await qube.table()).not.toContain('tcp');
  });

  test('that are invalid keep the last valid ones of this boot, also after a flush; the class is as it says', async () => {
    qube.qubesdb.write('/vm-config/qos-rules', 'udp -> cs1');
    await qube.mangle('apply');
    await qube.nft('flush ruleset');
    qube.qubesdb.write('/vm-config/qos-rules', 'udp -> cs1; tcp/0 -> ef');
    qube.qubesdb.write('/vm-config/dscp', 'cs5');
    const { code, stderr } = await qube.mangle('apply');
    expect(code).toBe(1);
    expect(stderr).toBe(
      '/vm-config/dscp is cs5, /vm-config/qos-rules is invalid, rule 2, "tcp/0 -> ef": "tcp/0": expected tcp, tcp/PORT or tcp/FIRST-LAST of 1 to 65535; the last valid rules of this boot stay, if there were any: every packet of this qube leaves with DSCP 40, but those that a rule matches. Correct the rules in dom0.\n',
    );
    expect(await qube.table()).toContain('meta l4proto udp ip dscp set cs1 accept');
    const status = await qube.mangle('status');
    expect(status.stdout).toContain('rules            invalid\nrule             udp -> cs1\n');
    expect(status.stdout).toContain('problem          /vm-config/qos-rules is invalid, rule 2');
    expect((await qube.mangle('print')).code).toBe(1);
  });

  test.each([
    'user:a -> ef"; flush ruleset; #',
    'unit:a\n.service -> ef',
    'cgroup:a"} -> ef',
    'to:10.0.0.0/8} -> ef',
    'user:a -> ef\nflush ruleset',
  ])('nothing of their text can become something else: %j', async (value) => {
    await qube.mangle('apply');
    qube.qubesdb.write('/vm-config/qos-rules', value);
    expect((await qube.mangle('apply')).code).toBe(1);
    expect(await qube.ruleset()).toBe(EF_TABLE);
  });
});

describe('what rules name', () => {
  test('need not be there: the others count, and each that does not is told', async () => {
    const value =
      'user:nobody-here -> cs1; group:none-such -> cs2; unit:none.service -> cs1; cgroup:none/such -> cs1; tcp -> cs5; app:zoom -> ef';
    qube.qubesdb.write('/vm-config/qos-rules', value);
    const { code, stderr } = await qube.mangle('apply');
    expect(code).toBe(0);
    expect(stderr.split('\n').slice(1)).toEqual([
      'Rule 6, "app:zoom -> ef", is left out: match "app:zoom": expected one of user:…, group:…, unit:…, cgroup:…, to:…, mark:…, tcp, udp, sctp, dccp, icmp.',
      'Rule "user:nobody-here -> cs1" does not count now: there is no user "nobody-here" in this qube.',
      'Rule "group:none-such -> cs2" does not count now: there is no group "none-such" in this qube.',
      'Rule "unit:none.service -> cs1" does not count now: unit "none.service" does not run.',
      'Rule "cgroup:none/such -> cs1" does not count now: there is no cgroup "none/such".',
      '',
    ]);
    expect(await qube.table()).toContain('meta l4proto tcp ip dscp set cs5 accept');
    const status = await qube.mangle('status');
    expect(status.stdout).toContain('as it should be  yes\nproblem          Rule 6, "app:zoom -> ef"');
  });

  test('is looked up again by each apply', async () => {
    qube.qubesdb.write('/vm-config/qos-rules', 'user:carol -> cs1');
    const path = await qube.fakeProgram('getent', 'cat /run/qubes/accounts 2>/dev/null; exit 2');
    await qube.mangleWith({ PATH: path }, 'apply');
    expect(await qube.table()).toBe(EF_TABLE);
    await writeFile(join(qube.namespace.socketDir, 'accounts'), 'carol:x:4242:4242::/:/bin/sh\n');
    await qube.mangleWith({ PATH: path }, 'apply');
    expect(await qube.table()).toContain('meta skuid 4242 ip6 dscp set cs1 accept');
  });

  test('cannot be looked up: the class is in force all the same', async () => {
    qube.qubesdb.write('/vm-config/qos-rules', 'user:root -> cs1; udp -> cs2');
    const path = await qube.fakeProgram('getent', 'echo broken >&2; exit 3');
    const { code, stderr } = await qube.mangleWith({ PATH: path }, 'apply');
    expect(code).toBe(0);
    expect(stderr).toContain(
      'user "root" cannot be looked up, getent passwd root failed with exit code 3: broken.',
    );
    expect(await qube.table()).toContain('meta l4proto udp ip dscp set cs2 accept');
  });
});

test.each(['mangle-rules-only'])('golden/%s.nft is accepted by nft', async (name) => {
  const script = await golden(name);
  expect(await qube.namespace.exec(['nft', '-c', '-f', '-'], { stdin: script })).toMatchObject({ code: 0 });
});
