// Owns when offloaded connections are looked at anew: conntrack remembers a class from the packets that it sees, and of an
// offloaded connection it sees the first ones only.
import type { TcConfig } from '@qubes-qos/core/tc-config';
import { reconsiderFlows } from '@qubes-qos/host/flows';
import { sinceBootMs, type Kept } from './kept.js';
import type { DevicePlan } from './plan.js';
import { isQubesUplink } from './roles.js';

/** A class that nobody told this NetVM of counts after this time at the latest. */
const SLOW_MS = 60_000;
/** How long after dom0's word the qube itself may still mark as before. */
const SETTLING_MS = 5_000;
/** Each time is a change of routes, which the agent hears of: without a pause it would answer itself. */
const PAUSE_MS = 900;

/** Looks at connections anew where that is needed, and knows when it did. */
export class Reconsideration {
  #told: string;
  #settledAt: number;
  #doneAt: number;

  constructor({ told, settledAt, doneAt }: Kept['flows']) {
    this.#told = told;
    this.#settledAt = settledAt;
    this.#doneAt = doneAt;
  }

  /** For the next run of this service. */
  get kept(): Kept['flows'] {
    return { told: this.#told, settledAt: this.#settledAt, doneAt: this.#doneAt };
  }

  /** @returns true when it should be called again soon. */
  async keep(plans: readonly DevicePlan[], { clients }: TcConfig, nowMs = sinceBootMs()): Promise<boolean> {
    if (!isOffloading(plans)) return false;
    const told = JSON.stringify(
      [...clients].map(([ip, { class: name, max, zero }]) => [ip, name, max, zero]),
    );
    if (told !== this.#told) this.#settledAt = nowMs + SETTLING_MS;
    this.#told = told;
    const isSettling = nowMs < this.#settledAt;
    if (nowMs - this.#doneAt >= (isSettling ? PAUSE_MS : SLOW_MS)) {
      this.#doneAt = nowMs;
      await reconsiderFlows();
    }
    return isSettling;
  }
}

/** True where what comes in is shaped by what conntrack remembers, and flows are offloaded: Qubes does so on its own uplinks. */
function isOffloading(plans: readonly DevicePlan[]): boolean {
  return (
    plans.some(({ role }) => role === 'download') &&
    plans.some(({ role, link }) => role === 'line' && isQubesUplink(link))
  );
}
