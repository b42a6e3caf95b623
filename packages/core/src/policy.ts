// Owns the policy of one qube: what `vm-config.dscp` and `vm-config.qos-rules` may say, and what each way of not saying
// it means.
import { classNameList, isClassName, type ClassName } from './classes.js';
import { messageOf } from './errors.js';
import { parseRules, type QosRule } from './qos-rules.js';
import { quote } from './quote.js';

/** What QubesDB says about the class of this qube. */
export type ClassPolicy =
  /** No key: dom0 has no opinion. */
  | { readonly state: 'absent' }
  /** An empty key: the "false" of Qubes features (qvm-features VM NAME ''). */
  | { readonly state: 'empty' }
  | { readonly state: 'class'; readonly className: ClassName }
  | { readonly state: 'invalid'; readonly reason: string };

/**
 * Reads the value of `/vm-config/dscp`: undefined when the key is absent.
 * Anything that is not exactly a class name is invalid; nothing is trimmed, because the value is written by
 * programs, and a value that is almost right is a fault that somebody should see.
 */
export function parseClassPolicy(value: Uint8Array | undefined): ClassPolicy {
  if (value === undefined) return { state: 'absent' };
  if (value.length === 0) return { state: 'empty' };
  const text = latin1(value);
  if (isClassName(text)) return { state: 'class', className: text };
  return { state: 'invalid', reason: `found ${quote(text)}, expected ${classNameList()}` };
}

/** What QubesDB says about rules inside this qube. */
export type RulesPolicy =
  | { readonly state: 'absent' }
  /** An empty key: no rules, whatever a policy of dom0 says. */
  | { readonly state: 'empty' }
  /** `warnings`: one for each rule that only a newer version knows. */
  | { readonly state: 'rules'; readonly rules: readonly QosRule[]; readonly warnings: readonly string[] }
  | { readonly state: 'invalid'; readonly reason: string };

/** Reads the value of `/vm-config/qos-rules`: undefined when the key is absent. One rule that is wrong spoils all. */
export function parseRulesPolicy(value: Uint8Array | undefined): RulesPolicy {
  if (value === undefined) return { state: 'absent' };
  if (value.length === 0) return { state: 'empty' };
  try {
    return { state: 'rules', ...parseRules(latin1(value)) };
  } catch (error) {
    return { state: 'invalid', reason: messageOf(error).replace(/\.$/, '') };
  }
}

/** One character a byte, so that whatever a qube wrote can be shown and nothing is lost or merged. */
function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}
