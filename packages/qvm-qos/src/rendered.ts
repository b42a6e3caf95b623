// Owns what a result has become when it is to be shown.

/** What the program prints and returns. */
export interface Rendered {
  readonly stdout: string;
  /** What went wrong; printed always. */
  readonly errors: readonly string[];
  /** Printed unless -q. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
  /** Printed with -v. */
  readonly details: readonly string[];
  readonly exitCode: 0 | 1;
}
