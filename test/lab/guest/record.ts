// Owns the way back to the host: one line of JSON for each record, on the second serial port.
import { writeFileSync } from 'node:fs';

/** Sends one record to the host. Synchronous, so that it is out before anything can crash. */
export function record(value: object): void {
  writeFileSync('/dev/ttyS1', `${JSON.stringify(value)}\n`);
}
