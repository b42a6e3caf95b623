// Owns what systemd is told (sd_notify(3)). Ready and status are no-ops without $NOTIFY_SOCKET, and never fatal.
import { messageOf } from '@qubes-qos/core/errors';
import { log } from './journal.js';
import { run } from './process.js';

/** Tells systemd that start-up is over, with the text that `systemctl status` shows. */
export async function notifyReady(status: string): Promise<void> {
  await guarded(async () => (await import('systemd-notify')).default({ ready: true, status }));
}

/** Changes the text that `systemctl status` shows. */
export async function notifyStatus(status: string): Promise<void> {
  await guarded(async () => (await import('systemd-notify')).default({ status }));
}

/**
 * Makes another process of the unit its main process, and tells systemd that start-up is over, in one message:
 * two would leave a moment in which the unit is ready and its main process is about to exit.
 * @throws QosError when systemd was not told: the caller must not exit then, since it is still the main process.
 */
export async function notifyHandover(mainPid: number, status: string): Promise<void> {
  await run(['systemd-notify', 'READY=1', `MAINPID=${mainPid}`, `STATUS=${status}`]);
}

/** True when systemd started this process and waits for notifications. */
export function isNotifyService(): boolean {
  return process.env['NOTIFY_SOCKET'] !== undefined;
}

async function guarded(send: () => Promise<unknown>): Promise<void> {
  if (!isNotifyService()) return;
  try {
    await send();
  } catch (error) {
    log('warning', `cannot tell systemd the state of this service: ${messageOf(error)}`);
  }
}
