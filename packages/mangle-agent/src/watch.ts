// Owns how the policy stays in force: apply at every change, and, under systemd, wait without a Node process.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@qubes-qos/core/errors';
import { VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import { handOver } from '@qubes-qos/host/hand-over';
import { log } from '@qubes-qos/host/journal';
import { isNotifyService, notifyReady } from '@qubes-qos/host/notify';
import { endProcess } from '@qubes-qos/host/process';
import { BACKOFF, nextWaitMs } from '@qubes-qos/host/qubesdb/client';
import { HEADER_BYTES } from '@qubes-qos/host/qubesdb/codec';
import { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import { describeEnforced } from './describe.js';
import { enforce, warningsOf } from './enforce.js';
import { readSaid } from './said.js';
import { locateAndWatch, wasWoken } from './wake.js';

/**
 * Ends with one event: an event is a header without a value, and EOF ends it too. Whatever ends it, the unit starts
 * this program again, which reads everything anew; so the event itself may be thrown away.
 */
const WAITER = ['head', '-c', String(HEADER_BYTES)] as const;

/**
 * Keeps the policy in force. By hand it never returns. Under systemd it returns once the policy is in force and
 * the waiter, now the main process of the unit, holds the connection. It waits out every failure itself: an exit
 * would make the unit a busy loop, and what is in force stays meanwhile.
 */
export async function watchPolicy(): Promise<void> {
  let waitMs = BACKOFF.firstMs;
  let trouble: string | undefined;
  for (;;) {
    try {
      await follow(() => {
        if (trouble !== undefined) log('notice', 'the trouble is over');
        trouble = undefined;
        waitMs = BACKOFF.firstMs;
      });
      return;
    } catch (error) {
      const message = messageOf(error);
      if (message !== trouble) await reportTrouble(message, waitMs);
      trouble = message;
    }
    await delay(waitMs);
    waitMs = nextWaitMs(waitMs, BACKOFF);
  }
}

/** One connection: until it fails, or until its socket is handed over. */
async function follow(onSuccess: () => void): Promise<void> {
  const db = await QubesDbConnection.open();
  try {
    // The prefix, not the key: removing the subtree fires only its own path. Before the read: a change that comes
    // between the two is an event, so it is not lost.
    await db.watch(VM_CONFIG_PATH_PREFIX);
    for (;;) {
      db.takeEvents();
      const locate = isNotifyService() ? { locate: locateAndWatch } : {};
      const enforced = await enforce(await readSaid(db), locate);
      const status = [describeEnforced(enforced), ...warningsOf(enforced)].join(' ');
      if (isNotifyService() && (await leave(db, status))) return;
      onSuccess();
      await db.waitForEvents();
    }
  } finally {
    db.close();
  }
}

/** False when an event has arrived, in whole or in part: it must be read and acted on here. */
async function leave(db: QubesDbConnection, status: string): Promise<boolean> {
  const socket = db.release();
  if (!socket) return false;
  const waiter = await handOver({ argv: WAITER, sockets: [socket] }, status);
  if (await wasWoken()) endProcess(waiter, 'SIGHUP');
  return true;
}

/** Start-up must end even so, or whatever is ordered after this unit would wait with it. */
async function reportTrouble(message: string, waitMs: number): Promise<void> {
  log('error', `${message} What is in force stays; trying again in ${waitMs / 1000} s and then less often.`);
  await notifyReady(`in trouble, what is in force stays: ${message}`);
}
