// Owns a NetVM without traffic for the cost of the resident agent: one NIC, any number of vifs, QubesDB, and counters.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { sh, shWith, sleep, start, until, type Background } from '../../lab/guest/run.js';
import { QubesDb } from '../../sim/qubesdb.js';

const UPLINK = '/vm-config/qos-uplink';
const TRACING = '/sys/kernel/tracing';

/** The agent and the world that it looks at. */
export interface AgentWorld {
  readonly agent: Background;
  readonly pid: string;
  /** Says a rate as dom0 does; the agent wakes, also when it is the same again. */
  tellRate(rate: string): void;
  /** Adds vifs up to this number, with the clients' ends. */
  addVifs(upTo: number): Promise<void>;
}

/** What the unit puts into the environment. */
function unitEnvironment(): string[] {
  const unit = readFileSync('/usr/lib/systemd/system/qubes-qos-tc.service', 'utf8');
  const [, words = ''] = /^Environment=(.*)$/m.exec(unit) ?? [];
  if (words === '') throw new Error('qubes-qos-tc.service has no Environment=.');
  return words.split(' ');
}

/** Makes the NetVM and starts the agent in it: call it once in a guest. */
export async function startAgentWorld(): Promise<AgentWorld> {
  const db = await QubesDb.listen('/run/qubes', { entries: { [UPLINK]: 'up=10mbit' } });
  await ipBatch([
    'link add ens6 type dummy',
    'link set ens6 up',
    'address add 192.0.2.2/24 dev ens6',
    'route add default via 192.0.2.1',
  ]);
  await sh('mount', '-t', 'tracefs', 'tracefs', TRACING);
  writeFileSync(`${TRACING}/events/sched/sched_process_exec/enable`, '1');
  const agent = start('env', ...unitEnvironment(), 'qubes-qos-tc', 'run');
  await untilRoots(1);
  const pid = (await sh('pgrep', '-o', '-f', 'qubes-qos-tc run')).trim();
  let vifs = 0;
  return {
    agent,
    pid,
    tellRate: (rate) => db.write(UPLINK, `up=${rate}`),
    addVifs: async (upTo) => {
      const added = Array.from({ length: upTo - vifs }, (_, index) => vifs + index + 1);
      vifs = upTo;
      await ipBatch(
        added.flatMap((number) => [
          `link add vif${number}.0 type veth peer name qube${number}`,
          `link set qube${number} up`,
          `link set vif${number}.0 group 2 up`,
        ]),
      );
      await untilRoots(1 + upTo);
    },
  };
}

/** Waits until nothing has been started for some seconds: what the network told of has been dealt with. */
export async function untilQuiet(): Promise<void> {
  for (let quiet = 0; quiet < QUIET_SECONDS;) {
    const before = forks();
    await sleep(1000);
    quiet = forks() === before ? quiet + 1 : 0;
  }
}

const QUIET_SECONDS = 5;

/** Programs started while the action ran: names, in order. */
export async function programsDuring(action: () => Promise<void>): Promise<string[]> {
  writeFileSync(`${TRACING}/trace`, '');
  await action();
  // …  tc-1234  [000] .....  12.345678: sched_process_exec: filename=/usr/sbin/tc pid=1234 old_pid=1234
  const found = readFileSync(`${TRACING}/trace`, 'utf8').matchAll(/sched_process_exec: filename=\S*\/(\S+)/g);
  return [...found].map(([, name = '']) => name);
}

/** Milliseconds for which the processor was not idle while the action ran. */
export async function busyMsDuring(action: () => Promise<void>): Promise<number> {
  const [upBefore, idleBefore] = uptime();
  await action();
  const [up, idle] = uptime();
  return (up - upBefore - (idle - idleBefore)) * 1000;
}

/** Processes and threads started since boot. */
export function forks(): number {
  return Number(/^processes (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
}

/**
 * Bytes that the process has written to and shares with nobody. Not Private_Dirty: the root is in memory, so that each page
 * of a program that is mapped from it counts as dirty.
 */
export function privateDirty(pid: string): number {
  return (
    Number(/^Anonymous:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) * 1024
  );
}

/** How often any thread of the process has given up the processor to wait. */
export function waits(pid: string): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]);
  }, 0);
}

/** Seconds since boot, and those of them in which the processor was idle. */
function uptime(): [number, number] {
  const [up = NaN, idle = NaN] = readFileSync('/proc/uptime', 'utf8').split(' ').map(Number);
  return [up, idle];
}

async function untilRoots(count: number): Promise<void> {
  await until(
    `${count} interfaces have a tree`,
    async () => {
      const roots = JSON.parse(await sh('tc', '-j', 'qdisc', 'show')) as { root?: boolean; handle: string }[];
      return roots.filter(({ root, handle }) => root === true && /^[56]1:$/.test(handle)).length >= count;
    },
    PATIENCE_MS,
  );
}

const PATIENCE_MS = 120_000;

async function ipBatch(lines: readonly string[]): Promise<void> {
  await shWith({ stdin: `${lines.join('\n')}\n` }, 'ip', '-batch', '-');
}
