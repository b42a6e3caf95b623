// Owns the resident agent: triggers, the settings that count, the loop, and what journal and systemd are told.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@qubes-qos/core/errors';
import type { Dom0Values } from '@qubes-qos/core/dom0-values';
import { VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import type { QdiscKind } from '@qubes-qos/core/tc/model';
import { log } from '@qubes-qos/host/journal';
import { followNetwork } from '@qubes-qos/host/links';
import { notifyReady, notifyStatus } from '@qubes-qos/host/notify';
import { followQubesDb } from '@qubes-qos/host/qubesdb/client';
import { startLoop } from '@qubes-qos/host/reconcile';
import type { DevicePlan } from './plan.js';
import { reconcile } from './reconcile.js';
import { Reconsideration } from './reconsider.js';
import { readDom0, readSettings, type GoodSettings } from './settings.js';
import { readState, writeState } from './state-file.js';
import { summaryOf } from './summary.js';

/** Repairs what no event tells of: a qdisc removed by hand. */
const SLOW_PASS_MS = 60_000;
const RETRY_MS = 1_000;
/** How long the first pass waits for QubesDB, so that a restart does not undo dom0's rate for a moment. */
const FIRST_ANSWER_MS = 10_000;

/** Keeps every interface what it should be until the signal comes. */
export async function runAgent(signal: AbortSignal): Promise<void> {
  const agent = new Agent();
  await agent.start();
  const loop = startLoop({ pass: () => agent.pass(), slowPassMs: SLOW_PASS_MS, retryMs: RETRY_MS, signal });
  const policy = followPolicy(agent, () => loop.trigger(), signal);
  const network = watchNetwork(() => loop.trigger(), signal);
  await Promise.all([loop.ended, policy, network]);
}

class Agent {
  readonly #missing = new Set<QdiscKind>();
  #good: GoodSettings | undefined;
  #dom0: Dom0Values | undefined;
  #told = '';
  #isReady = false;
  readonly #flows = new Reconsideration();
  readonly #firstAnswer = new AbortController();

  async start(): Promise<void> {
    const { good, missing } = await readState();
    this.#good = good;
    for (const kind of missing) this.#missing.add(kind);
  }

  takeDom0(values: Dom0Values): void {
    this.#dom0 = values;
    this.#firstAnswer.abort();
  }

  /** One pass; true when it should be tried again soon. */
  async pass(): Promise<boolean> {
    await delay(FIRST_ANSWER_MS, undefined, { signal: this.#firstAnswer.signal }).catch(() => undefined);
    try {
      const { config, faults, good } = await readSettings(this.#dom0, this.#good);
      this.#good = good;
      const result = await reconcile(config, this.#missing);
      await this.#tell(result.plans, result.changed, [...faults, ...config.warnings, ...result.problems]);
      const isSettling = await this.#flows.keep(result.plans, config);
      return result.retry || isSettling;
    } catch (error) {
      await this.#tell([], [], [messageOf(error)]);
      return true;
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
    const news = JSON.stringify([problems, summary]);
    if (news !== this.#told) {
      this.#told = news;
      for (const problem of problems) log('warning', problem);
      await writeState({ missing: [...this.#missing], problems, good: this.#good });
      const status =
        problems.length === 0 ? summary : `${summary}; ${problems.length} problems: ${problems[0] ?? ''}`;
      await (this.#isReady ? notifyStatus(status) : notifyReady(status));
      this.#isReady = true;
    }
  }
}

async function followPolicy(agent: Agent, trigger: () => void, signal: AbortSignal): Promise<void> {
  let trouble = '';
  const onTrouble = (error: unknown): void => {
    if (messageOf(error) !== trouble) log('warning', `${messageOf(error)} What is in force stays.`);
    trouble = messageOf(error);
  };
  for await (const values of followQubesDb(VM_CONFIG_PATH_PREFIX, readDom0, { signal, onTrouble })) {
    trouble = '';
    agent.takeDom0(values);
    trigger();
  }
}

async function watchNetwork(trigger: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const follower = await followNetwork();
    signal.addEventListener('abort', follower.stop, { once: true });
    // What happened before the subscription is found by a pass after it.
    trigger();
    for await (const line of follower.lines) {
      if (line !== '') trigger();
    }
    signal.removeEventListener('abort', follower.stop);
    log('info', 'ip monitor ended.');
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
