// Owns the service: under systemd it rests between events, by hand it stays; and the triggers while it stays.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@qubes-qos/core/errors';
import { VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import { log } from '@qubes-qos/host/journal';
import { followNetwork } from '@qubes-qos/host/links';
import { isNotifyService } from '@qubes-qos/host/notify';
import { followQubesDb } from '@qubes-qos/host/qubesdb/client';
import { startLoop } from '@qubes-qos/host/reconcile';
import { Agent } from './agent.js';
import { readKept } from './kept.js';
import { rest } from './rest.js';
import { readDom0 } from './settings.js';

/** Repairs what no event tells of: a qdisc removed by hand. */
const SLOW_PASS_MS = 60_000;
const RETRY_MS = 1_000;
/** After a change the next is likely: a qube that starts makes several, and a start of Node costs more than a pass. */
const QUIET_MS = 2_000;

/** Keeps every interface what it should be until the signal comes; under systemd, until another process waits instead. */
export async function runAgent(signal: AbortSignal): Promise<void> {
  const agent = await Agent.start(readKept());
  // What cannot rest, because each pass finds something or the waiter does not start, tries it less and less often.
  for (let quietMs = QUIET_MS; !signal.aborted; quietMs = Math.min(quietMs * 2, SLOW_PASS_MS)) {
    if (isNotifyService() && (await rest(agent, SLOW_PASS_MS))) return;
    await stay(agent, quietMs, signal);
  }
}

/** Follows everything until the signal comes, or under systemd until nothing has happened for a while. */
async function stay(agent: Agent, quietMs: number, signal: AbortSignal): Promise<void> {
  const quiet = new Quiet(quietMs);
  const over = AbortSignal.any([signal, quiet.signal]);
  const pass = async (): Promise<boolean> => {
    quiet.disturb();
    const { again } = await agent.pass();
    if (!again && isNotifyService()) quiet.begin();
    return again;
  };
  const loop = startLoop({ pass, slowPassMs: SLOW_PASS_MS, retryMs: RETRY_MS, signal: over });
  const policy = followPolicy(agent, quiet, over, () => loop.trigger());
  const network = watchNetwork(() => loop.trigger(), over);
  await Promise.all([loop.ended, policy, network]);
}

/** Ends the stay when no pass is wanted for a while. Without QubesDB nobody else could wait for it. */
class Quiet {
  readonly #over = new AbortController();
  readonly signal = this.#over.signal;
  readonly #afterMs: number;
  #timer: NodeJS.Timeout | undefined;
  isPossible = false;

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  begin(): void {
    this.disturb();
    this.#timer = setTimeout(() => {
      if (this.isPossible) this.#over.abort();
    }, this.#afterMs);
  }

  disturb(): void {
    clearTimeout(this.#timer);
  }
}

async function followPolicy(
  agent: Agent,
  quiet: Quiet,
  signal: AbortSignal,
  trigger: () => void,
): Promise<void> {
  let trouble = '';
  const onTrouble = (error: unknown): void => {
    quiet.isPossible = false;
    if (messageOf(error) !== trouble) log('warning', `${messageOf(error)} What is in force stays.`);
    trouble = messageOf(error);
  };
  for await (const values of followQubesDb(VM_CONFIG_PATH_PREFIX, readDom0, { signal, onTrouble })) {
    trouble = '';
    quiet.isPossible = true;
    agent.takeDom0(values);
    trigger();
  }
}

async function watchNetwork(trigger: () => void, signal: AbortSignal): Promise<void> {
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    const follower = await followNetwork();
    signal.addEventListener('abort', follower.stop, { once: true });
    // What happened before the subscription is found by a pass after it.
    trigger();
    for await (const line of follower.lines) {
      if (line !== '') trigger();
    }
    signal.removeEventListener('abort', follower.stop);
    if (isOver()) return;
    log('info', 'ip monitor ended.');
    await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
