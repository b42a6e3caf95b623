// Owns the vm-config.* features: names, limits, and the text form shared by writer (dom0) and reader (agents).
import { QosError } from './errors.js';
import { quote } from './quote.js';

/** Prefix of the features that qubesd copies into a qube's QubesDB (core-admin qubes/ext/vm_config.py). */
export const VM_CONFIG_FEATURE_PREFIX = 'vm-config.';

/** Where the same values appear in the qube's QubesDB. */
export const VM_CONFIG_PATH_PREFIX = '/vm-config/';

/** The vm-config names this suite reads, without prefix. */
export const VM_CONFIG = {
  /** The class of a qube. */
  dscp: 'dscp',
  /** The rate of a NetVM's line. */
  uplink: 'qos-uplink',
  /** Finer rules inside a qube (design.md 3.3). */
  rules: 'qos-rules',
  /** The class that a policy gives to a qube; `dscp` ranks above. Written by dom0's program only. */
  policyClass: 'qos-class',
  /** The rules that a policy gives to a qube; `qos-rules` ranks above. Written by dom0's program only. */
  policyRules: 'qos-policy-rules',
  /** On a NetVM: `1` is to believe dom0 and not the packet; anything else, and nothing, is to trust the packet. */
  enforce: 'qos-enforce',
} as const;

/** Features that only dom0 reads. */
export const QOS_FEATURE = {
  /** Limits of a qube. */
  limit: 'qos.limit',
  /** Name of the policy that a qube has, or on a NetVM: that all its clients have. */
  attach: 'qos.attach',
  /** On dom0, with the name of a policy behind it. */
  policyPrefix: 'qos.policy.',
} as const;

/** What dom0 says on a NetVM about one of its clients: this and the client's IPv4 address (design.md 3.2). */
export const CLIENT_PREFIX = 'qos.';

/** Longest value that the QubesDB daemon stores, bytes (core-qubesdb daemon/db-cmds.c: data_len < 3072). */
export const MAX_VALUE_BYTES = 3071;

/** Longest vm-config name, bytes: 63 of a QubesDB path less `/vm-config/` (core-admin qubes/ext/vm_config.py). */
const MAX_NAME_BYTES = 52;

/**
 * Refuses what qubesd would store and then choke on. qubesd checks a vm-config name *after* storing it, and a
 * value over 3071 bytes on a halted qube is not checked at all; either can keep the qube from starting. A feature
 * that never goes into QubesDB has the same limits, so that there is one to know.
 * @throws QosError('policy')
 */
export function assertFeature(feature: string, value: string): void {
  const isVmConfig = feature.startsWith(VM_CONFIG_FEATURE_PREFIX);
  const name = isVmConfig ? feature.slice(VM_CONFIG_FEATURE_PREFIX.length) : feature;
  if (!/^[a-zA-Z][a-zA-Z0-9_.-]*$/.test(name) || name.length > MAX_NAME_BYTES) {
    const where = isVmConfig ? 'after the prefix, expected' : 'expected';
    throw new QosError(
      'policy',
      `feature name ${quote(feature)}: ${where} a letter and then at most ${MAX_NAME_BYTES - 1} of A-Z a-z 0-9 _ . -; it was not sent.`,
    );
  }
  if (!/^[ -~]*$/.test(value)) {
    throw new QosError(
      'policy',
      `value ${quote(value)} of ${feature}: expected printable ASCII; it was not sent.`,
    );
  }
  if (value.length > MAX_VALUE_BYTES) {
    throw new QosError(
      'policy',
      `value of ${feature} has ${value.length} bytes: expected at most ${MAX_VALUE_BYTES}, the limit of QubesDB; it was not sent.`,
    );
  }
}
