// Owns how QubesDB is used over time: one-shot reads, and following a subtree across restarts of the daemon.
import { setTimeout as delay } from 'node:timers/promises';
import { QubesDbConnection, type ConnectionOptions } from './connection.js';

/** Waits between attempts, milliseconds: doubled from the first to the longest, and back after a success. */
export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
}

export interface FollowOptions extends ConnectionOptions {
  readonly backoff?: Backoff;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
  /** Hears of every failed attempt; what was read before stays valid, and the next attempt comes by itself. */
  readonly onTrouble?: (error: unknown) => void;
}

/** The waits of every loop that needs QubesDB. */
export const BACKOFF: Backoff = { firstMs: 250, longestMs: 30_000 };

/** Opens a connection, reads, and closes it. @throws QosError of the kinds connection, protocol or timeout. */
export async function withQubesDb<T>(
  read: (db: QubesDbConnection) => Promise<T>,
  options: ConnectionOptions = {},
): Promise<T> {
  const db = await QubesDbConnection.open(options);
  try {
    return await read(db);
  } finally {
    db.close();
  }
}

/**
 * Yields what `read` finds, at once and after every change below `prefix` (which ends in a slash). Events that come
 * in a burst give one value, the newest; a value may equal the one before. When the daemon fails or goes away:
 * back off, connect, watch again, and only then read again, so that nothing is missed.
 */
export async function* followQubesDb<T>(
  prefix: string,
  read: (db: QubesDbConnection) => Promise<T>,
  options: FollowOptions = {},
): AsyncGenerator<T, void, undefined> {
  const { signal, backoff = BACKOFF } = options;
  let waitMs = backoff.firstMs;
  while (!signal?.aborted) {
    let db: QubesDbConnection | undefined;
    const abort = (): void => db?.close();
    signal?.addEventListener('abort', abort);
    try {
      db = await QubesDbConnection.open(options);
      signal?.throwIfAborted();
      await db.watch(prefix);
      for (;;) {
        db.takeEvents();
        const value = await read(db);
        waitMs = backoff.firstMs;
        yield value;
        await db.waitForEvents();
      }
    } catch (error) {
      if (!signal?.aborted) options.onTrouble?.(error);
    } finally {
      signal?.removeEventListener('abort', abort);
      db?.close();
    }
    await delay(waitMs, undefined, { ...(signal && { signal }) }).catch(() => undefined);
    waitMs = nextWaitMs(waitMs, backoff);
  }
}

/** The wait after the one that has just passed. */
export function nextWaitMs(waitMs: number, backoff: Backoff): number {
  return Math.min(waitMs * 2, backoff.longestMs);
}
