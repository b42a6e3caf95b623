// Owns what the agent knows from one pass to the next, the settings that count, and what journal and systemd are told.
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@qubes-qos/core/errors';
import type { Dom0Values } from '@qubes-qos/core/dom0-values';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { log } from '@qubes-qos/host/journal';
import { notifyReady, notifyStatus } from '@qubes-qos/host/notify';
import type { Kept } from './kept.js';
import type { DevicePlan } from './plan.js';
import { reconcile } from './reconcile.js';
import { Reconsideration } from './reconsider.js';
import { readSettings, type GoodSettings } from './settings.js';
import { readState, writeState, type AgentState } from './state-file.js';
import { summaryOf } from './summary.js';

/** How long the first pass waits for QubesDB, so that a restart does not undo dom0's rate for a moment. */
const FIRST_ANSWER_MS = 10_000;

/** What a pass leaves to do. */
export interface PassOutcome {
  /** True when it should be tried again soon, although nothing happened. */
  readonly again: boolean;
  readonly isChanged: boolean;
}

/** One service, over any number of passes. */
export class Agent {
  readonly #missing: Set<QdiscKind>;
  readonly #flows: Reconsideration;
  #good: GoodSettings | undefined;
  #dom0: Dom0Values | undefined;
  #told: string;
  #written: string;
  #isReady: boolean;
  readonly #firstAnswer = new AbortController();
  #status = '';

  static async start(kept: Kept): Promise<Agent> {
    return new Agent(await readState(), kept);
  }

  private constructor(state: AgentState, kept: Kept) {
    this.#missing = new Set(state.missing);
    this.#good = state.good;
    this.#written = JSON.stringify(state);
    this.#told = kept.told;
    this.#isReady = kept.told !== '';
    this.#flows = new Reconsideration(kept.flows);
  }

  takeDom0(values: Dom0Values): void {
    this.#dom0 = values;
    this.#firstAnswer.abort();
  }

  /** What systemd was told last. */
  get status(): string {
    return this.#status;
  }

  /** For the next run of this service. */
  get kept(): Kept {
    return { told: this.#told, flows: this.#flows.kept };
  }

  /** Observes, decides, applies, and tells what is new. */
  async pass(): Promise<PassOutcome> {
    await delay(FIRST_ANSWER_MS, undefined, { signal: this.#firstAnswer.signal }).catch(() => undefined);
    this.#firstAnswer.abort();
    try {
      const { config, faults, good } = await readSettings(this.#dom0, this.#good);
      this.#good = good;
      const { plans, changed, problems, retry } = await reconcile(config, this.#missing);
      await this.#tell(plans, changed, [...faults, ...config.warnings, ...problems]);
      const isSettling = await this.#flows.keep(plans, config);
      return { again: retry || isSettling, isChanged: changed.length > 0 };
    } catch (error) {
      await this.#tell([], [], [messageOf(error)]);
      return { again: true, isChanged: false };
    }
  }

  /** Says what changed, once. */
  async #tell(
    plans: readonly DevicePlan[],
    changed: readonly string[],
    problems: readonly string[],
  ): Promise<void> {
    const summary = summaryOf(plans);
    if (changed.length > 0) log('info', `changed ${changed.join(', ')}: ${summary}`);
    await this.#write({ missing: [...this.#missing], problems, good: this.#good });
    this.#status =
      problems.length === 0 ? summary : `${summary}; ${problems.length} problems: ${problems[0] ?? ''}`;
    const news = digest([...problems, summary]);
    const isNew = news !== this.#told;
    this.#told = news;
    if (isNew) for (const problem of problems) log('warning', problem);
    if (!this.#isReady) await notifyReady(this.#status);
    else if (isNew) await notifyStatus(this.#status);
    this.#isReady = true;
  }

  /** The good settings too: a later run falls back to them when one of them is damaged. */
  async #write(state: AgentState): Promise<void> {
    const text = JSON.stringify(state);
    if (text === this.#written) return;
    await writeState(state);
    this.#written = text;
  }
}

function digest(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url');
}
