// Owns the register of guest checks. Imported on the host too, where only the names are read: a file of checks must do
// nothing at import but register.

export interface Check {
  readonly name: string;
  /** Runs in the guest; the check passed unless it throws. What it returns is recorded as `figures`. */
  readonly body: () => Promise<unknown>;
}

/** What the guest says of one check. */
export interface CheckRecord {
  readonly check: string;
  readonly ok: boolean;
  /** Why it failed, with the stack. */
  readonly error?: string;
  readonly figures?: unknown;
  /** The guest's time, not the host's. */
  readonly seconds: number;
}

const registered: Check[] = [];

/** Registers a check. They run in the order of registration, in one guest for each file, so that one may build on another. */
export function check(name: string, body: () => Promise<unknown>): void {
  if (registered.some((other) => other.name === name)) throw new Error(`two checks are called "${name}".`);
  registered.push({ name, body });
}

/** What was registered since this was last called, in order: on the host the checks of one file after another. */
export function takeChecks(): readonly Check[] {
  return registered.splice(0);
}
