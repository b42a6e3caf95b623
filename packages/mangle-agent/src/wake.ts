// Owns how changes in the qube itself, a unit that starts or an account that is made, wake this program: units of systemd that
// watch directories (qubes-qos-mangle-wake@.path), one for each, and end the waiter when something comes or goes there.
import { access, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@qubes-qos/core/errors';
import { log } from '@qubes-qos/host/journal';
import { run } from '@qubes-qos/host/process';
import { locateRules, type Located } from './locate.js';
import type { ValidPolicy } from './said.js';

const PREFIX = 'qubes-qos-mangle-wake@';
const SUFFIX = '.path';

/** Written by qubes-qos-mangle-wake.service; when the waiter is there already, the service ends that, too. */
const NOTE = '/run/qubes-qos/mangle-woken';

/** Where this program is and what wakes it (Slice= in the units): watched, each run would be the reason for the next. */
const OWN = '/sys/fs/cgroup/qubes.slice/qubes-qos.slice';

/** A watch that has just fired looks again within some milliseconds; attempts, and how long between them. */
const ATTEMPTS = 20;
const PAUSE_MS = 50;

/** True when something has changed since the last look. To be asked when the waiter is the main process: later changes end it. */
export function wasWoken(): Promise<boolean> {
  return access(NOTE).then(
    () => true,
    () => false,
  );
}

/**
 * Finds what the rules name, while everything is watched that could change it: what changes later, wakes. Without rules, now
 * and before, nothing is asked of systemd.
 */
export async function locateAndWatch(policy: ValidPolicy, last: ValidPolicy | undefined): Promise<Located> {
  await rm(NOTE, { force: true }).catch(() => undefined);
  if (policy.rules.length === 0 && (last?.rules.length ?? 0) === 0) return locateRules(policy.rules);
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // Before the look: a watch that has fired does not fire again until its service has ended.
      const watches = await listWatches();
      const located = await locateRules(policy.rules);
      const directories = located.watched.filter((directory) => directory !== OWN);
      if (await isWatched(directories, watches)) return located;
      if (attempt > 0) await delay(PAUSE_MS);
    }
  } catch (error) {
    log(
      'warning',
      `units and accounts that come or go are not noticed until the next event: ${messageOf(error)}`,
    );
  }
  return locateRules(policy.rules);
}

/** The watches that there are, by name, and whether they look: state `waiting`. */
async function listWatches(): Promise<ReadonlyMap<string, string>> {
  const pattern = `${PREFIX}*${SUFFIX}`;
  const { stdout } = await run(['systemctl', 'list-units', '--plain', '--no-legend', '--full', pattern]);
  return new Map(stdout.split('\n').flatMap(nameAndState));
}

/** True when each of the directories was watched before; else starts what is missing. Stops what is needless. */
async function isWatched(
  directories: readonly string[],
  watches: ReadonlyMap<string, string>,
): Promise<boolean> {
  const wanted = directories.map((directory) => `${PREFIX}${escapePath(directory)}${SUFFIX}`);
  const missing = wanted.filter((name) => !watches.has(name));
  const needless = [...watches.keys()].filter((name) => !wanted.includes(name));
  if (needless.length > 0) await run(['systemctl', 'stop', '--', ...needless]);
  if (missing.length > 0) await run(['systemctl', 'start', '--', ...missing]);
  return wanted.every((name) => watches.get(name) === 'waiting');
}

/** A line of `systemctl list-units`: UNIT LOAD ACTIVE SUB DESCRIPTION */
function nameAndState(line: string): [string, string][] {
  const [name = '', , , state = ''] = line.trim().split(/ +/);
  return name === '' ? [] : [[name, state]];
}

/** A path as the instance of a unit (systemd.unit(5), "String Escaping for Inclusion in Unit Names"). */
export function escapePath(path: string): string {
  return path
    .slice(1)
    .replaceAll(/[^A-Za-z0-9:_./]|^\./g, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('/', '-');
}
