// Owns the two ways of typing into the lab: a shell on the console, and one command in a qube. The agents run in both.
import { spawn } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { startAgents, stopAgents } from './agents.js';
import { enter } from './namespaces.js';
import { NAMESPACES } from './qubes.js';
import { record } from './record.js';
import { shWith } from './run.js';
import { startLab } from './topology.js';

/** The terminal of the person. */
export interface Terminal {
  readonly term: string;
  readonly rows: number;
  readonly columns: number;
}

/** What a command in a qube left. */
export interface ExecRecord {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

const CONSOLE = '/dev/ttyS0';
const EXEC_TIMEOUT_MS = 300_000;

const WELCOME = `
The little Qubes runs, agents included; nothing is set yet. Try:
  lab exec dom0 qvm-qos uplink sys-net --up 10mbit
  lab exec dom0 qvm-qos set work ef
  lab exec work nft list table inet qubes-qos-mangle
  lab exec sys-net qubes-qos-tc status
  lab exec work ping 203.0.113.10
Qubes and namespaces: ${NAMESPACES.join(' ')}. \`exit\` ends the guest.
`;

/** Gives the console to bash until it ends. */
export async function runShell(terminal: Terminal): Promise<void> {
  installLabCommand();
  await startLab();
  await startAgents();
  const fd = openSync(CONSOLE, 'r+');
  const { rows, columns } = terminal;
  await shWith({}, 'stty', '-F', CONSOLE, 'sane', 'rows', `${rows}`, 'cols', `${columns}`);
  writeFileSync(fd, WELCOME);
  const env = { ...process.env, TERM: terminal.term, PS1: 'lab# ' };
  // --ctty: job control and Ctrl-C need a terminal of the shell's own.
  const shell = spawn('setsid', ['--ctty', '--wait', 'bash', '--norc', '-i'], {
    stdio: [fd, fd, fd],
    env,
    cwd: '/root',
  });
  await new Promise((resolve) => shell.once('close', resolve));
}

/** Runs one command in a qube and records what it left. */
export async function runExec(qube: string, argv: readonly string[]): Promise<void> {
  if (!NAMESPACES.includes(qube))
    throw new Error(`the lab has no ${qube}: expected one of ${NAMESPACES.join(', ')}.`);
  installLabCommand();
  await startLab();
  const agents = await startAgents();
  const okCodes = Array.from({ length: 256 }, (_, code) => code);
  const result: ExecRecord = await shWith({ okCodes, timeoutMs: EXEC_TIMEOUT_MS }, ...enter(qube), ...argv);
  await stopAgents(agents);
  record(result);
}

function installLabCommand(): void {
  const [nsenter, ...options] = enter('$qube');
  const script = `#!/bin/bash
if [ "$1" != exec ] || [ $# -lt 3 ]; then
    echo "usage: lab exec QUBE CMD..." >&2
    exit 2
fi
qube=$2
shift 2
exec ${[nsenter, ...options].join(' ')} "$@"
`;
  writeFileSync('/usr/bin/lab', script, { mode: 0o755 });
}
