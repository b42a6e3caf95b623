// Owns the one loop of an agent that stays: every trigger leads to the same pass, one at a time.
import { setTimeout as delay } from 'node:timers/promises';

export interface LoopOptions {
  /** Observes, decides and applies; true when it should be tried again soon although nothing happened. */
  readonly pass: () => Promise<boolean>;
  /** Milliseconds between passes that nothing triggered: they repair what no event tells of. */
  readonly slowPassMs: number;
  /** First wait before another try, milliseconds; doubled up to slowPassMs. */
  readonly retryMs: number;
  /** Ends the loop after the pass that is under way. */
  readonly signal: AbortSignal;
}

/** A running loop. */
export interface Loop {
  /** Something changed. Triggers during a pass lead to one more. */
  trigger(): void;
  /** Resolves when the loop has ended; rejects with what a pass threw. */
  readonly ended: Promise<void>;
}

/** Starts a loop with a first pass at once. */
export function startLoop(options: LoopOptions): Loop {
  let wake = new AbortController();
  const ended = (async () => {
    let retryMs = options.retryMs;
    while (!options.signal.aborted) {
      wake = new AbortController();
      const again = await options.pass();
      retryMs = again ? Math.min(retryMs * 2, options.slowPassMs) : options.retryMs;
      const waitMs = again ? retryMs : options.slowPassMs;
      // Triggered during the pass: the wait is over before it begins.
      await delay(waitMs, undefined, { signal: AbortSignal.any([wake.signal, options.signal]) }).catch(
        () => undefined,
      );
    }
  })();
  return { trigger: () => wake.abort(), ended };
}
