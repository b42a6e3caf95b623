// Owns the run of the registered checks in the guest: each is recorded, whatever happens to it.
import { takeChecks, type Check, type CheckRecord } from './check.js';
import { record } from './record.js';

/** Runs all registered checks one after another. */
export async function runChecks(): Promise<void> {
  for (const check of takeChecks()) record(await runOne(check));
}

async function runOne(check: Check): Promise<CheckRecord> {
  const start = performance.now();
  const seconds = () => Math.round(performance.now() - start) / 1000;
  try {
    const figures = await check.body();
    return { check: check.name, ok: true, seconds: seconds(), ...(figures === undefined ? {} : { figures }) };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.error(text);
    return { check: check.name, ok: false, seconds: seconds(), error: text };
  }
}
