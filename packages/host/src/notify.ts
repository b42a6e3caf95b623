// Owns what systemd is told (sd_notify(3)). Everything here is a no-op without $NOTIFY_SOCKET, and never fatal.
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
 */
export async function notifyHandover(mainPid: number, status: string): Promise<void> {
  await guarded(() => run(['systemd-notify', 'READY=1', `MAINPID=${mainPid}`, `STATUS=${status}`]));
}

async function guarded(send: () => Promise<unknown>): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  try {
    await send();
  } catch (error) {
    log('warning', `cannot tell systemd the state of this service: ${messageOf(error)}`);
  }
}
