// Owns the output of iproute2's batch mode: one JSON value a line, one line a command.
import { QosError } from '@qubes-qos/core/errors';
import { quote } from '@qubes-qos/core/quote';

/** The values, in the order of the commands. @throws QosError('protocol') naming the tool and what it printed. */
export function parseJsonLines(stdout: string, tool: string): unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      try {
        return JSON.parse(line) as unknown;
      } catch (error) {
        throw new QosError(
          'protocol',
          `${tool} -j printed ${quote(line)}: expected JSON; iproute2 6.15 is what this was made for.`,
          {
            cause: error,
          },
        );
      }
    });
}
