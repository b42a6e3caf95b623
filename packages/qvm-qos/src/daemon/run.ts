// Owns the resident service of dom0: events, the loop, and what journal and systemd are told.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@qubes-qos/core/errors';
import { log } from '@qubes-qos/host/journal';
import { notifyReady, notifyStatus } from '@qubes-qos/host/notify';
import { startLoop } from '@qubes-qos/host/reconcile';
import { ADMIN_VM, type Admin } from '../qubesd/admin.js';
import { describeWritten } from '../render-changes.js';
import { Publisher } from './publisher.js';
import { staleAfter } from './stale.js';

/** Reads everything again, for what no event told of. */
const SLOW_PASS_MS = 15 * 60_000;
const RETRY_MS = 500;
/** A change of the default netvm is some events for each qube: one pass for all of them. */
const COALESCE_MS = 50;
/** Waits between tries to reach qubesd. */
const RECONNECT = { firstMs: 1_000, mostMs: 60_000 } as const;

/** Keeps what the NetVMs are told what it should be, until the signal comes. */
export async function runDaemon(admin: Admin, signal: AbortSignal): Promise<void> {
  const service = new Service(admin, signal);
  const loop = startLoop({
    pass: () => service.pass(),
    slowPassMs: SLOW_PASS_MS,
    retryMs: RETRY_MS,
    signal,
  });
  await Promise.all([loop.ended, service.follow(() => loop.trigger())]);
}

class Service {
  readonly #admin: Admin;
  readonly #signal: AbortSignal;
  readonly #publisher: Publisher;
  #isConnected = false;
  #isReady = false;
  #told = '';
  #lastAllMs = -Infinity;

  constructor(admin: Admin, signal: AbortSignal) {
    this.#admin = admin;
    this.#signal = signal;
    this.#publisher = new Publisher(admin.call);
  }

  /** One pass; true when it should be tried again soon. Without events nothing is known to be true: then it waits. */
  async pass(): Promise<boolean> {
    if (!this.#isConnected) return false;
    await delay(COALESCE_MS, undefined, { signal: this.#signal }).catch(() => undefined);
    if (this.#signal.aborted) return false;
    if (Date.now() - this.#lastAllMs >= SLOW_PASS_MS) this.#publisher.markStale('all');
    try {
      const startMs = Date.now();
      const { changes, problems, isOpen, summary } = await this.#publisher.pass();
      if (startMs - this.#lastAllMs >= SLOW_PASS_MS) this.#lastAllMs = startMs;
      for (const change of changes) log('info', describeWritten(change));
      await this.#tell(summary, problems);
      return isOpen;
    } catch (error) {
      this.#lastAllMs = -Infinity;
      await this.#tell('in trouble', [messageOf(error)]);
      return true;
    }
  }

  /** Follows the events, over any number of ends of qubesd. */
  async follow(trigger: () => void): Promise<void> {
    let waitMs: number = RECONNECT.firstMs;
    while (!this.#signal.aborted) {
      try {
        for await (const event of this.#admin.events(ADMIN_VM, this.#signal)) {
          const stale = staleAfter(event);
          if (event.event === 'connection-established') {
            // What happened before is found by reading all; what happens from now on comes as an event.
            this.#isConnected = true;
            this.#lastAllMs = -Infinity;
            waitMs = RECONNECT.firstMs;
          }
          this.#publisher.markStale(stale);
          if (stale !== 'nothing') trigger();
        }
        await this.#tell('in trouble', ['qubesd closed the events; what is told stays.']);
      } catch (error) {
        await this.#tell('in trouble', [messageOf(error)]);
      }
      this.#isConnected = false;
      await delay(waitMs, undefined, { signal: this.#signal }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, RECONNECT.mostMs);
    }
  }

  /** Says what changed, once. Start-up must end even in trouble, or what is ordered after the unit would wait with it. */
  async #tell(summary: string, problems: readonly string[]): Promise<void> {
    if (this.#signal.aborted) return;
    const news = JSON.stringify([summary, problems]);
    if (news === this.#told) return;
    this.#told = news;
    for (const problem of problems) log('warning', problem);
    if (problems.length === 0) log('info', summary);
    const status = problems.length === 0 ? summary : `${summary}: ${problems[0] ?? ''}`;
    await (this.#isReady ? notifyStatus(status) : notifyReady(status));
    this.#isReady = true;
  }
}
