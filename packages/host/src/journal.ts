// Owns what the agents print: one line a message, with the priority prefix that journald understands (sd-daemon(3)).

type Priority = 'error' | 'warning' | 'notice' | 'info';

const PREFIX: Readonly<Record<Priority, string>> = {
  error: '<3>',
  warning: '<4>',
  notice: '<5>',
  info: '<6>',
};

/** Prints one message to standard error. The prefix is added only under systemd, so that a person sees plain text. */
export function log(priority: Priority, message: string): void {
  const prefix = process.env['JOURNAL_STREAM'] === undefined ? '' : PREFIX[priority];
  process.stderr.write(`${prefix}${message.replaceAll('\n', '; ')}\n`);
}
