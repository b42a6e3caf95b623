// Owns the namespaces: each qube has its own network, /run, /rw and /sys; all else is the guest's one root. What a qube has
// in /run is below /lab/qubes/<name>/run outside, so that the simulators can put sockets there.
import { mkdirSync } from 'node:fs';
import { sh, shWith, start, type Background, type ShOptions, type ShResult } from './run.js';

const MOUNT_NAMESPACES = '/lab/mnt';

/** The /run of a qube, seen from outside. */
export function runOf(qube: string): string {
  return `/lab/qubes/${qube}/run`;
}

/** Runs a command in a qube and returns its standard output; throws with what it printed if it fails. */
export async function inQube(qube: string, ...argv: string[]): Promise<string> {
  return (await inQubeWith({}, qube, ...argv)).stdout;
}

/** The same with standard input, tolerated exit codes and both outputs. */
export async function inQubeWith(options: ShOptions, qube: string, ...argv: string[]): Promise<ShResult> {
  return shWith(options, ...enter(qube), ...argv);
}

/** Runs lines of ip(8) in the network of a namespace, in one process. */
export async function ipBatch(namespace: string, lines: readonly string[]): Promise<void> {
  await shWith({ stdin: `${lines.join('\n')}\n` }, 'ip', '-n', namespace, '-batch', '-');
}

/** Starts a command in a qube that goes on until it is stopped. */
export function startInQube(qube: string, ...argv: string[]): Background {
  return start(...enter(qube), ...argv);
}

/** The words that put a command into a qube. */
export function enter(qube: string): string[] {
  return ['nsenter', `--net=/run/netns/${qube}`, `--mount=${MOUNT_NAMESPACES}/${qube}`, '--'];
}

/** Makes the namespaces, with nothing in them but lo. */
export async function makeNamespaces(names: readonly string[]): Promise<void> {
  mkdirSync(MOUNT_NAMESPACES, { recursive: true });
  mkdirSync('/rw', { recursive: true });
  // A file that holds a mount namespace must be on a mount that is not shared with it.
  await sh('mount', '--bind', MOUNT_NAMESPACES, MOUNT_NAMESPACES);
  await sh('mount', '--make-private', MOUNT_NAMESPACES);
  for (const name of names) await makeNamespace(name);
}

/** Makes one more. */
export async function makeNamespace(name: string): Promise<void> {
  mkdirSync(`${runOf(name)}/qubes`, { recursive: true });
  mkdirSync(`/lab/qubes/${name}/rw/config`, { recursive: true });
  await sh('ip', 'netns', 'add', name);
  await sh('touch', `${MOUNT_NAMESPACES}/${name}`);
  const mounts = [
    'mount -t sysfs sysfs /sys',
    'mount -t cgroup2 cgroup2 /sys/fs/cgroup',
    `mount --bind ${runOf(name)} /run`,
    `mount --bind /lab/qubes/${name}/rw /rw`,
    'ip link set lo up',
    // No detection of doubled addresses: it keeps an IPv6 address from use for a second, and there are none.
    'sysctl -q net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0',
  ];
  await sh(
    ...['unshare', `--mount=${MOUNT_NAMESPACES}/${name}`, '--propagation', 'private'],
    ...['nsenter', `--net=/run/netns/${name}`, 'sh', '-ec', mounts.join('\n')],
  );
}
