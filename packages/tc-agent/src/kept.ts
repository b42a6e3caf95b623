// Owns what a run of the agent leaves to the next one of the same service: what it has said, and when it did what.

export interface Kept {
  /** What systemd and the journal were told last. */
  readonly told: string;
  /** See Reconsideration. */
  readonly flows: { readonly told: string; readonly settledAt: number; readonly doneAt: number };
}

/** A start by systemd begins with this. */
const NOTHING_KEPT: Kept = { told: '', flows: { told: '', settledAt: 0, doneAt: -1e15 } };

/** Of the environment, so that it ends with the service. */
const NAME = 'QUBES_QOS_TC_KEPT';

/** What the run before left; nothing when there was none. */
export function readKept(env: NodeJS.ProcessEnv = process.env): Kept {
  try {
    const { told, flows } = JSON.parse(env[NAME] ?? '{}') as Partial<Kept>;
    // Another version may have written it.
    return { told: told ?? '', flows: { ...NOTHING_KEPT.flows, ...flows } };
  } catch {
    return NOTHING_KEPT;
  }
}

/** For the environment of the next run. */
export function keptEnvironment(kept: Kept): Record<string, string> {
  return { [NAME]: JSON.stringify(kept) };
}

/** Milliseconds since boot, for times that another run compares. */
export function sinceBootMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
