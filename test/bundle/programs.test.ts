// The three bundles as files: alone, small, executable, reproducible, and running on every Node that users have.
import { copyFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const PROGRAMS = ['qubes-qos-mangle', 'qubes-qos-tc', 'qvm-qos'];
const NODES = ['node20', 'node22', 'node24'];

let alone: string;
let again: string;

beforeAll(async () => {
  alone = await mkdtemp(join(tmpdir(), 'qubes-qos-alone-'));
  again = await mkdtemp(join(tmpdir(), 'qubes-qos-again-'));
  await execa('node', ['scripts/bundle.mjs', again]);
});

afterAll(async () => {
  await rm(alone, { recursive: true });
  await rm(again, { recursive: true });
});

describe.each(PROGRAMS)('%s', (program) => {
  test('is one executable file of at most 400 kB that names its interpreter', async () => {
    const { size, mode } = await stat(`dist/${program}`);
    expect(size).toBeLessThanOrEqual(400_000);
    expect(mode & 0o777).toBe(0o755);
    expect((await readFile(`dist/${program}`, 'utf8')).slice(0, 16)).toBe('#!/usr/bin/node\n');
  });

  test('is the same byte for byte when it is built again', async () => {
    expect(await readFile(join(again, program))).toEqual(await readFile(`dist/${program}`));
  });

  test.each(NODES)('runs on %s with nothing beside it and nothing in the environment', async (node) => {
    const path = join(alone, program);
    await copyFile(`dist/${program}`, path);
    const interpreter = `test/bundle/node-versions/node_modules/${node}/bin/node`;
    const options = { env: { PATH: '/usr/bin:/bin' }, extendEnv: false, reject: false } as const;
    const { stdout } = await execa(interpreter, [path, '--version'], options);
    const manifest = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(stdout).toContain(manifest.version);
    const help = await execa(interpreter, [path, '--help'], options);
    expect(help.stdout).toContain(`Usage: ${program}`);
    const wrong = await execa(interpreter, [path, 'no-such-command'], options);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain(`${program}: error: `);
  });
});
