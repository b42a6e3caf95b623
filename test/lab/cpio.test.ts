// The archive that carries a run's files into the guest, unpacked again by cpio itself.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BLOCK, cpioArchive } from './host/cpio.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cpio-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('cpio finds every file, with its content and mode, below its directories', () => {
  const content = Uint8Array.from({ length: 257 }, (_, index) => index % 256);
  const archive = cpioArchive({
    '/lab/deep/er/bytes': { content },
    '/lab/program': { content: '#!/bin/sh\n', executable: true },
    '/lab/empty': { content: '' },
  });
  const options = ['--extract', '--make-directories', '--quiet', '--no-absolute-filenames'];
  execFileSync('cpio', options, { cwd: directory, input: archive });
  expect(Uint8Array.from(readFileSync(join(directory, 'lab/deep/er/bytes')))).toEqual(content);
  expect(readFileSync(join(directory, 'lab/empty'), 'utf8')).toBe('');
  expect(statSync(join(directory, 'lab/program')).mode & 0o777).toBe(0o755);
  expect(statSync(join(directory, 'lab/deep/er/bytes')).mode & 0o777).toBe(0o644);
});

test('an archive fills whole blocks and does not depend on the order in which files are given', () => {
  const a = { content: 'a' };
  const b = { content: 'bb' };
  const archive = cpioArchive({ '/a': a, '/d/b': b });
  expect(archive.length % BLOCK).toBe(0);
  expect(cpioArchive({ '/d/b': b, '/a': a }).equals(archive)).toBe(true);
});
