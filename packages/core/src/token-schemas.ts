// Owns the schemas of what a feature has as tokens and a file as keys of a table: one meaning, two forms.
import * as z from 'zod/mini';
import { asIssue } from './as-issue.js';
import { LIMIT_FIELDS, type ClientLimits } from './client-limits.js';
import type { TokenField } from './token-codec.js';
import { UPLINK_FIELDS, type UplinkPolicy } from './uplink-policy.js';

/** A key that may be absent. */
type Key<T> = z.ZodMiniExactOptional<z.ZodMiniCodec<z.ZodMiniString, z.ZodMiniCustom<T, T>>>;

/** Each field as a key. */
type Keys<T> = { readonly [Name in keyof T]-?: Key<Exclude<T[Name], undefined>> };

/** The keys of a limit, for every schema that has them. */
export const LIMIT_TOKENS: Keys<ClientLimits> = {
  up: keyOf(LIMIT_FIELDS.up),
  down: keyOf(LIMIT_FIELDS.down),
  burst: keyOf(LIMIT_FIELDS.burst),
};

const UPLINK_TOKENS: Keys<UplinkPolicy> = {
  up: keyOf(UPLINK_FIELDS.up),
  down: keyOf(UPLINK_FIELDS.down),
  scheduler: keyOf(UPLINK_FIELDS.scheduler),
  overhead: keyOf(UPLINK_FIELDS.overhead),
};

/** The line of a NetVM. */
export const UPLINK_POLICY = z.strictObject(UPLINK_TOKENS);

function keyOf<T>({ parse, format }: TokenField<T>): Key<T> {
  const isThere = z.custom<T>((value) => value !== undefined);
  const token = z.codec(z.string(), isThere, {
    decode: asIssue(parse),
    // zod encodes an object once without checks, absent keys too, before it does so with them.
    encode: (value: T | undefined) => (value === undefined ? '' : format(value)),
  });
  return z.exactOptional(token);
}
