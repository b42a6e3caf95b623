// Owns what is said of an option whose value cannot be read.
import { messageOf, QosError } from '@qubes-qos/core/errors';

/** What `read` makes of the value of an option. @throws QosError('usage') that names the option */
export function fromOption<Value>(option: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new QosError('usage', `argument ${option}: ${messageOf(error)}`, { cause: error });
  }
}
