// Owns what checks ask systemd about the unit of the mangle agent.
import { readFileSync } from 'node:fs';
import { sh } from './run.js';

export const UNIT = 'qubes-qos-mangle.service';

/** A property of a unit, as systemctl shows it. */
export async function property(name: string, unit = UNIT): Promise<string> {
  return (await sh('systemctl', 'show', '--value', '--property', name, unit)).trim();
}

/** The programs of the unit's processes, sorted. */
export function commands(): Promise<string[]> {
  const group = `/sys/fs/cgroup/qubes.slice/qubes-qos.slice/${UNIT}/cgroup.procs`;
  try {
    const pids = readFileSync(group, 'utf8').split('\n').filter(Boolean);
    return Promise.resolve(pids.map((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).sort());
  } catch {
    return Promise.resolve([]);
  }
}
