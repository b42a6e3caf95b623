// Owns the failures of the lab itself: sentences for the developer, with the tail of what was printed.

/** The guest or a tool that makes it failed; the message says which and shows the last lines of its output. */
export class LabError extends Error {
  constructor(message: string, output = '') {
    super(output === '' ? message : `${message}\n${tailOf(output)}`);
    this.name = 'LabError';
  }
}

const TAIL_LINES = 40;

/** The last lines of a console, without the control characters that firmware and terminals add. */
export function tailOf(output: string): string {
  const plain = output.replaceAll(/\x1b\[[0-9;?=]*[A-Za-z]|[\x00-\x08\x0b-\x1f]/g, '');
  return plain
    .split('\n')
    .slice(-TAIL_LINES)
    .map((line) => `  | ${line}`)
    .join('\n');
}
