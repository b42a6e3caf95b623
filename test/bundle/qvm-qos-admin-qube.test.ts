// qvm-qos in a qube that dom0's policy lets administer others: over qrexec, with the policy that is shipped.
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { MachineModel } from '../sim/machine.js';
import { Qubesd } from '../sim/qubesd.js';

const ROOT = new URL('../..', import.meta.url);
const PROGRAM = fileURLToPath(new URL('dist/qvm-qos', ROOT));
const POLICY = await readFile(new URL('policy/30-qubes-qos-admin.policy', ROOT), 'utf8');

let directory: string;
let machine: MachineModel;
let qubesd: Qubesd;
let allowed: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'admin-qube-'));
  machine = new MachineModel({
    defaultNetvm: 'sys-net',
    qubes: [
      { name: 'sys-net', netvm: null, providesNetwork: true, running: true, ip: '10.137.0.2' },
      { name: 'work', running: true, ip: '10.137.0.5' },
    ],
  });
  qubesd = await Qubesd.listen(join(directory, 'qubesd.sock'), machine);
  allowed = POLICY;
  await writePolicy();
  await writeFile(join(directory, 'qrexec-client-vm'), FAKE_QREXEC);
  await chmod(join(directory, 'qrexec-client-vm'), 0o755);
});

afterEach(async () => {
  await qubesd.close();
  await rm(directory, { recursive: true });
});

async function writePolicy(): Promise<void> {
  await writeFile(join(directory, 'policy'), allowed);
}

/** What qrexec does with a call: asks the policy, and connects to qubesd as the calling qube's stand-in. */
const FAKE_QREXEC = `#!${process.execPath}
const { connect } = require('node:net');
const { readFileSync } = require('node:fs');
const [target, service] = process.argv.slice(2);
const [method] = service.split('+');
const place = target === 'dom0' ? '@adminvm' : '@anyvm';
const lines = readFileSync(__dirname + '/policy', 'utf8').split('\\n').map((line) => line.split(/ +/));
if (!lines.some(([name, , source, to, what]) => name === method && source === 'qos-admin' && to === place && what === 'allow')) {
  console.error('Request refused');
  process.exit(126);
}
const socket = connect({ path: __dirname + '/qubesd.sock', allowHalfOpen: true });
socket.write(service + ' dom0 name ' + target + '\\0');
process.stdin.pipe(socket).pipe(process.stdout);
socket.on('error', () => process.exit(1));
`;

interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

function start(args: readonly string[]): ReturnType<typeof spawn> {
  return spawn(process.execPath, [PROGRAM, ...args], { env: { PATH: directory } });
}

async function type(line: string): Promise<Run> {
  const child = start(line.split(' '));
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { stdout, stderr, exitCode };
}

test('the same commands, with the policy that is shipped', async () => {
  expect(await type('-q set work ef')).toEqual({ stdout: '', stderr: '', exitCode: 0 });
  expect(machine.qube('work').features.get('vm-config.dscp')).toBe('ef');
  expect(machine.qube('sys-net').features.get('vm-config.qos.10.137.0.5')).toBe('class=ef max=ef zero=class');
  expect(await type('get work')).toEqual({ stdout: 'ef\n', stderr: '', exitCode: 0 });
  expect(await type('-q policy create calls --class cs5')).toMatchObject({ exitCode: 0 });
  expect(await type('get nosuch')).toMatchObject({
    stderr: expect.stringMatching(/^usage: .*\nqvm-qos: error: no such domain: 'nosuch'\n$/) as string,
    exitCode: 2,
  });
});

test('properties one by one, where the policy does not allow all at once', async () => {
  allowed = POLICY.replaceAll(/^admin\.vm\.property\.GetAll.*\n/gm, '');
  await writePolicy();
  expect(await type('-q set work ef')).toEqual({ stdout: '', stderr: '', exitCode: 0 });
  expect(machine.qube('sys-net').features.get('vm-config.qos.10.137.0.5')).toBe('class=ef max=ef zero=class');
});

test('a policy that denies: says which call, and what to install', async () => {
  allowed = POLICY.replaceAll(/^admin\.vm\.feature\.Set.*\n/gm, '');
  await writePolicy();
  expect(await type('set work ef')).toEqual({
    stdout: '',
    stderr:
      'qvm-qos: error: work: the policy of dom0 does not let this qube call admin.vm.feature.Set+vm-config.dscp for work; to allow it, install 30-qubes-qos-admin.policy in dom0, see qvm-qos(1).\n',
    exitCode: 1,
  });
});

test('the service follows the events', async () => {
  const child = start(['daemon']);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const entry = (): string | undefined => machine.qube('sys-net').features.get('vm-config.qos.10.137.0.5');
  machine.setFeature('work', 'vm-config.dscp', 'cs1');
  await vi.waitFor(() => expect(entry()).toBe('class=cs1 max=cs1 zero=class'), { timeout: 20_000 });
  machine.setFeature('work', 'vm-config.dscp', 'ef');
  await vi.waitFor(() => expect(entry()).toBe('class=ef max=ef zero=class'), { timeout: 20_000 });
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('the policy allows exactly the calls that the program makes', async () => {
  const text = await readFile(PROGRAM, 'utf8');
  const calls = new Set([...text.matchAll(/admin\.(?:[a-zA-Z]+\.)*[A-Z][A-Za-z]+/g)].map(([call]) => call));
  const named = new Set([...POLICY.matchAll(/^(admin\.\S+)/gm)].map(([, call]) => call));
  expect([...named].sort()).toEqual([...calls].sort());
});
