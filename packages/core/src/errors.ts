// Owns the closed list of what can go wrong and what each kind means for exit codes and retries.

/** Every way in which a Qubes QoS program can fail. */
export type ErrorKind =
  | 'usage'
  | 'no-such-domain'
  | 'policy'
  | 'config'
  | 'refused'
  | 'connection'
  | 'protocol'
  | 'timeout'
  | 'tool-missing'
  | 'command'
  | 'unsupported'
  | 'drift'
  | 'internal';

interface ErrorKindInfo {
  /** Exit code as the qvm-* tools use them: 2 is usage or an unknown qube, 1 a failure at run time. */
  readonly exitCode: 1 | 2;
  /** True when the same action may succeed later without anybody changing anything. */
  readonly retry: boolean;
}

/** What each kind means. A new kind does not compile until it has a row here. */
export const ERROR_KINDS: Readonly<Record<ErrorKind, ErrorKindInfo>> = {
  usage: { exitCode: 2, retry: false },
  'no-such-domain': { exitCode: 2, retry: false },
  policy: { exitCode: 1, retry: false },
  config: { exitCode: 1, retry: false },
  refused: { exitCode: 1, retry: false },
  connection: { exitCode: 1, retry: true },
  protocol: { exitCode: 1, retry: true },
  timeout: { exitCode: 1, retry: true },
  'tool-missing': { exitCode: 1, retry: false },
  command: { exitCode: 1, retry: true },
  unsupported: { exitCode: 1, retry: false },
  drift: { exitCode: 1, retry: true },
  internal: { exitCode: 1, retry: false },
};

/**
 * The one error class of the project. The message is a sentence for the user: what, where, found against
 * expected, and what to do next.
 */
export class QosError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'QosError';
    this.kind = kind;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The exit code for anything that was thrown: by its kind, or 1 for what is not ours. */
export function exitCodeOf(error: unknown): 1 | 2 {
  return error instanceof QosError ? ERROR_KINDS[error.kind].exitCode : 1;
}
