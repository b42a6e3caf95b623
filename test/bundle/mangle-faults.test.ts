import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { golden, MANGLE_PROGRAM, MangleQube } from './mangle-qube.js';

const EF_TABLE = await golden('mangle-ef-listed');

let qube: MangleQube;

beforeEach(async () => {
  qube = await MangleQube.create();
});

afterEach(() => qube.close());

describe('what can be missing', () => {
  beforeEach(async () => {
    qube.qubesdb.write('/vm-config/dscp', 'ef');
    await qube.mangle('apply');
    qube.qubesdb.write('/vm-config/dscp', 'cs1');
  });

  afterEach(async () => {
    expect(await qube.table()).toBe(EF_TABLE);
  });

  test('QubesDB', async () => {
    await qube.qubesdb.close();
    const { code, stderr } = await qube.mangle('apply');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^qubes-qos-mangle: error: cannot reach QubesDB: .*systemctl status qubes-db\.\n$/,
    );
    const status = await qube.mangle('status');
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(/^policy {11}unknown\nin force {9}every packet .* DSCP 46\n/);
  });

  test('an answer of QubesDB', async () => {
    qube.qubesdb.hang();
    const { code, stderr } = await qube.mangle('apply');
    expect(code).toBe(1);
    expect(stderr).toContain('no answer to read "/vm-config/dscp" within 5 s');
  });

  test('nft', async () => {
    const { code, stderr } = await qube.mangleWith({ PATH: '/nowhere' }, 'apply');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'qubes-qos-mangle: error: cannot run nft: no such program; install the package that has it.\n',
    );
  });

  test('the permission', async () => {
    const powerless = ['setpriv', '--bounding-set=-all'];
    const { code, stderr } = await qube.namespace.exec([...powerless, MANGLE_PROGRAM, 'apply']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Operation not permitted.*nothing was changed\. Run it as root\.\n$/);
  });

  test('the success of nft: it fails half-way', async () => {
    const path = await qube.fakeProgram(
      'nft',
      'case "$*" in *-f*) echo "internal:0:0-0: Error: out of memory" >&2; exit 1;; esac; exec "$REAL" "$@"',
    );
    const { code, stderr } = await qube.mangleWith({ PATH: path }, 'apply');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'qubes-qos-mangle: error: nft refused the script: out of memory; nothing was changed.\n',
    );
  });

  test('the truth of nft: it says yes and does nothing', async () => {
    const path = await qube.fakeProgram('nft', 'case "$*" in *-f*) exit 0;; esac; exec "$REAL" "$@"');
    const { code, stderr } = await qube.mangleWith({ PATH: path }, 'apply');
    expect(code).toBe(1);
    expect(stderr).toContain(
      'expected "ip dscp set 8", found "ip dscp set 46", after nft took the script 3 times',
    );
  });
});
