// Owns `vm-config.qos.<ip>`: what dom0 says on a NetVM about the client with that address (design.md 3.2).
import { isIpv6 } from './addresses.js';
import { CLASS_NAMES, classNameList, type ClassName } from './classes.js';
import { LIMIT_FIELDS, type ClientLimits } from './client-limits.js';
import { QosError } from './errors.js';
import { tokenCodec, wordField, type TokenField, type TokenReading } from './token-codec.js';

/** All that dom0 says about a client. */
export interface ClientPolicy extends ClientLimits {
  /** What its traffic becomes that is above `max` or has a DSCP of no class. */
  readonly class?: ClassName;
  /** The best class that its traffic may have. */
  readonly max?: ClassName;
  /** What DSCP 0 means: `class`, or `keep` for cs0. */
  readonly zero?: 'class' | 'keep';
  /** The client's IPv6 address. */
  readonly ip6?: string;
}

/** A policy and one warning for each key that this version does not know. */
export type ClientReading = TokenReading<ClientPolicy>;

const CLASS = wordField(CLASS_NAMES, classNameList());

const IP6: TokenField<string> = {
  parse: (text) => {
    if (isIpv6(text)) return text;
    throw new QosError('policy', 'expected an IPv6 address.');
  },
  format: (address) => address,
};

const CODEC = tokenCodec<ClientPolicy>({
  class: CLASS,
  max: CLASS,
  zero: wordField(['class', 'keep'], 'class or keep'),
  ip6: IP6,
  ...LIMIT_FIELDS,
});

/**
 * Reads a value such as `class=ef max=ef zero=class up=5mbit down=20mbit`. A key that this version does not know is a
 * warning, so that a new dom0 can talk to an old template.
 * @throws QosError('policy') for anything else that is wrong: then nothing of the value counts.
 */
export function parseClientPolicy(value: string): ClientReading {
  return CODEC.parse(value);
}

/** The value to store; parseClientPolicy reads it back to the same. @throws QosError('policy') */
export function formatClientPolicy(policy: ClientPolicy): string {
  return CODEC.format(policy);
}
