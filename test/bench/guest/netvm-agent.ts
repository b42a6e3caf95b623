// Owns a NetVM without traffic for the cost of the resident agent: one NIC, any number of vifs, QubesDB, the agent's unit
// as it is packaged, with its environment and whatever processes it leaves, and counters.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { sh, shWith, sleep, until } from '../../lab/guest/run.js';
import { QubesDb } from '../../sim/qubesdb.js';

const UNIT = 'qubes-qos-tc.service';
const PROGRAM = '/usr/bin/qubes-qos-tc';
/** A unit that does not wait for a notification, so that nobody could take the agent's place. */
const AWAKE = 'awake.service';
const UPLINK = '/vm-config/qos-uplink';
const TRACING = '/sys/kernel/tracing';

/** The agent and the world that it looks at. */
export interface AgentWorld {
  /** Says a rate as dom0 does; the agent wakes, also when it is the same again. */
  tellRate(rate: string): void;
  /** Adds vifs up to this number, with the clients' ends. */
  addVifs(upTo: number): Promise<void>;
  /** Puts an agent that never rests, as it is by hand, in the place of the unit. */
  stayAwake(): Promise<void>;
  /** Puts the unit back. */
  rest(): Promise<void>;
  stop(): Promise<void>;
}

/** Makes the NetVM and starts the agent in it: call it once in a guest with systemd. */
export async function startAgentWorld(): Promise<AgentWorld> {
  const db = await QubesDb.listen('/run/qubes', { entries: { [UPLINK]: 'up=10mbit' } });
  writeFileSync('/run/qubes/this-is-netvm', '');
  await ipBatch([
    'link add ens6 type dummy',
    'link set ens6 up',
    'address add 192.0.2.2/24 dev ens6',
    'route add default via 192.0.2.1',
  ]);
  if (!existsSync(`${TRACING}/trace`)) await sh('mount', '-t', 'tracefs', 'tracefs', TRACING);
  writeFileSync(`${TRACING}/events/sched/sched_process_exec/enable`, '1');
  await sh('systemctl', 'start', UNIT);
  await untilRoots(1);
  let vifs = 0;
  const exchange = async (
    stopped: string,
    ...start: readonly [program: string, ...args: string[]]
  ): Promise<void> => {
    await sh('systemctl', 'stop', stopped);
    await sh(...start);
    await untilRoots(1 + vifs);
  };
  return {
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
    stayAwake: async () => {
      const settings = (await sh('systemctl', 'show', '--value', '--property=Environment', UNIT)).trim();
      const environment = settings.split(' ').map((setting) => `--setenv=${setting}`);
      await exchange(UNIT, 'systemd-run', '--quiet', `--unit=${AWAKE}`, ...environment, PROGRAM, 'run');
    },
    rest: () => exchange(AWAKE, 'systemctl', 'start', UNIT),
    stop: async () => {
      await sh('systemctl', 'stop', UNIT);
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

/** Programs that the agent started while the action ran, and itself where it was started anew: names, in order. */
export async function programsDuring(action: () => Promise<void>): Promise<string[]> {
  writeFileSync(`${TRACING}/trace`, '');
  await action();
  // …  tc-1234  [000] .....  12.345678: sched_process_exec: filename=/usr/sbin/tc pid=1234 old_pid=1234
  const found = readFileSync(`${TRACING}/trace`, 'utf8').matchAll(/sched_process_exec: filename=\S*\/(\S+)/g);
  return [...found].map(([, name = '']) => name).filter((name) => !name.startsWith('systemd'));
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

/** A process of the agent's unit. */
export interface UnitProcess {
  readonly name: string;
  /** No other process of this boot has the same. */
  readonly identity: string;
  /**
   * Bytes that it has written to and shares with nobody. Not Private_Dirty: the root is in memory, so that each page of a
   * program that is mapped from it counts as dirty.
   */
  readonly bytes: number;
}

/** All processes of the unit, whichever of them is the one that systemd calls the main one. */
export async function unitProcesses(): Promise<UnitProcess[]> {
  return (await unitPids()).flatMap((pid) => {
    try {
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      // 1234 (head) S 1 …: the start time is the 22nd field, and the name may have anything in it.
      const [name = '', rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .split(/ \(|\) /)
        .slice(1);
      const bytes = Number(/^Anonymous:\s+(\d+) kB$/m.exec(rollup)?.[1]) * 1024;
      return [{ name, bytes, identity: `${pid} since ${rest.split(' ')[19] ?? ''}` }];
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  });
}

/** How often each thread of the unit has given up the processor to wait. */
export async function waits(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const pid of await unitPids()) {
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
        found.set(thread, Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]));
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return found;
}

/** How often threads have woken between two readings; one that is new has all of its own. */
export function wakeUpsBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): number {
  return [...after].reduce(
    (sum, [thread, count]) => sum + Math.max(0, count - (before.get(thread) ?? -1)),
    0,
  );
}

async function unitPids(): Promise<string[]> {
  controlGroup ??= (await sh('systemctl', 'show', '--value', '--property=ControlGroup', UNIT)).trim();
  try {
    const text = readFileSync(`/sys/fs/cgroup${controlGroup}/cgroup.procs`, 'utf8');
    return text.split('\n').filter((pid) => pid !== '');
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

let controlGroup: string | undefined;

/** What ends between two readings is no failure of the reader. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
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
