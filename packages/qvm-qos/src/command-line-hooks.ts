// Owns what the commands of the command line are given by the program.
import type { Command } from 'commander';
import type { Admin, AdminCall } from './qubesd/admin.js';
import type { Result } from './results.js';

/** Runs what a command does with the Admin API, and shows the result. */
type Run = (command: Command, action: (call: AdminCall) => Promise<Result>) => Promise<void>;

/** Runs what goes on until it is stopped. */
type RunForever = (
  command: Command,
  action: (admin: Admin, signal: AbortSignal) => Promise<void>,
) => Promise<void>;

/** What the commands are given. */
export interface Hooks {
  readonly run: Run;
  readonly runForever: RunForever;
  readonly writeOut: (text: string) => void;
  readonly onUsageError: (command: Command) => void;
}
