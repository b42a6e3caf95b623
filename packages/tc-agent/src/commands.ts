// Owns the commands: each reads, acts once, and returns what is to be printed and the exit code.
import { observeNetwork } from '@qubes-qos/host/links';
import { cleanUp } from './clean-up.js';
import { load } from './load.js';
import { planTc } from './plan.js';
import { printed, printedJson, printedText } from './print.js';
import { reconcile } from './reconcile.js';
import { removeState, writeState } from './state-file.js';
import { readStatus } from './status.js';
import { summaryOf } from './summary.js';
import { statusText } from './text.js';

export interface Outcome {
  readonly stdout: string;
  /** Sentences for standard error. */
  readonly complaints: readonly string[];
  readonly exitCode: 0 | 1;
}

/** One pass now. Exit code 1 when an interface does not have what it should, or a setting is wrong. */
export async function apply(): Promise<Outcome> {
  const { config, faults, missing, good } = await load();
  const { plans, changed, problems } = await reconcile(config, missing);
  const all = [...faults, ...problems];
  await writeState({ missing: [...missing], problems: all, good });
  const did = changed.length === 0 ? 'nothing to change' : `changed ${changed.join(', ')}`;
  return outcome(`${did}: ${summaryOf(plans)}`, [...all, ...config.warnings], all.length);
}

/** The settings, and the script that would build every tree from nothing. Changes nothing. */
export async function print(json: boolean): Promise<Outcome> {
  const { config, faults, missing } = await load();
  const plans = planTc({ ...(await observeNetwork()), config, missing });
  const result = printed(config, plans);
  const text = json ? printedJson(config, result) : printedText(config, result);
  return outcome(text, [...faults, ...config.warnings], faults.length);
}

/** Whether the settings are right and in force. tc has no dry run of its own. */
export async function check(json: boolean): Promise<Outcome> {
  const { config, faults, missing } = await load();
  const { interfaces } = await readStatus(config, missing, []);
  const wrong = interfaces.filter(({ inForce }) => !inForce).map((device) => device.interface);
  const complaints = [
    ...faults,
    ...wrong.map(
      (name) => `${name}: what is in force is not what the settings say; qubes-qos-tc apply repairs it.`,
    ),
  ];
  const isRight = complaints.length === 0;
  if (json)
    return outcome(JSON.stringify({ version: 1, isRight, problems: complaints }), [], complaints.length);
  return outcome(isRight ? 'settings are valid and in force' : '', complaints, complaints.length);
}

/** What is in force, why, and what it has carried. */
export async function status(json: boolean): Promise<Outcome> {
  const { config, faults, missing } = await load();
  const result = await readStatus(config, missing, [...faults, ...config.warnings]);
  return outcome(json ? JSON.stringify(result) : statusText(result), [], 0);
}

/** Removes everything of ours. */
export async function cleanup(): Promise<Outcome> {
  const removed = await cleanUp();
  await removeState();
  return outcome(removed.length === 0 ? 'nothing to remove' : `removed from ${removed.join(', ')}`, [], 0);
}

function outcome(stdout: string, complaints: readonly string[], faults: number): Outcome {
  return { stdout, complaints, exitCode: faults === 0 ? 0 : 1 };
}
