// Owns how a service is left to a small process that waits in its place.
import type { Socket } from 'node:net';
import { notifyHandover } from './notify.js';
import { endProcess, startWithSockets } from './process.js';

/** What waits, and for what. */
export interface Waiter {
  readonly argv: readonly [string, ...string[]];
  /** Its standard input, and its descriptor 3. */
  readonly sockets: readonly [Socket, Socket?];
  /** Added to its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts the waiter and makes it the main process of the unit; this process may then exit.
 * @param status - what `systemctl status` shows from now on.
 * @returns the waiter's process id
 * @throws QosError when it did not start or systemd was not told; then nothing is left of it.
 */
export async function handOver({ argv, sockets, env = {} }: Waiter, status: string): Promise<number> {
  const pid = await startWithSockets(argv, sockets, env);
  try {
    await notifyHandover(pid, status);
    return pid;
  } catch (error) {
    // A waiter that systemd does not know of would hold the sockets, one for each attempt.
    endProcess(pid);
    throw error;
  }
}
