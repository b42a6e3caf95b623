// Owns the word of dom0 about a client, as `qvm-qos` writes it for its NetVM.
import type { ClassName } from '@qubes-qos/core/classes';

/** The word that gives a client this class. @param max - the best that its own marks may ask for. */
export function grant(className: ClassName, max: ClassName = className): string {
  return `class=${className} max=${max} zero=class`;
}
