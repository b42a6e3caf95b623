// Owns what is kept of a value when a part of it is changed.
import { messageOf } from '@qubes-qos/core/errors';
import type { TokenReading } from '@qubes-qos/core/token-codec';

/** What is kept of the value before; what this version cannot read is not written again, and that is said. */
export function readBefore<T>(
  value: string | undefined,
  parse: (value: string) => TokenReading<T>,
): TokenReading<Partial<T>> {
  try {
    const { policy, warnings } = parse(value ?? '');
    return { policy, warnings: warnings.map((text) => `dropped from the value before: ${text}`) };
  } catch (error) {
    return {
      policy: {},
      warnings: [`the value before could not be read and is replaced: ${messageOf(error)}`],
    };
  }
}
