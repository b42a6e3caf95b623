// Owns the size table of a root qdisc: its words, its JSON, its comparison.
import * as z from 'zod/mini';
import type { LinkLayer, Stab } from './options.js';

// {"linklayer":"ethernet","overhead":78,"mtu":2047,"tsize":512}: zeros are left out.
const stabJson = z.looseObject({
  linklayer: z.optional(z.enum(['ethernet', 'atm', 'adsl'])),
  overhead: z.optional(z.number()),
  mpu: z.optional(z.number()),
  mtu: z.optional(z.number()),
  tsize: z.optional(z.number()),
});

/** tc's defaults (tc-stab(8)). */
const DEFAULT_MTU = 2047;
const DEFAULT_TSIZE = 512;

/** The words of a size table, before the kind of its qdisc. */
export function stabWords({ mtu, tsize, mpu, overhead, linklayer }: Stab): string {
  const sizes = [
    ...(mtu === undefined ? [] : [`mtu ${mtu}`]),
    ...(tsize === undefined ? [] : [`tsize ${tsize}`]),
    ...(mpu === undefined ? [] : [`mpu ${mpu}`]),
  ];
  return ['stab', ...sizes, `overhead ${overhead}`, `linklayer ${linklayer}`].join(' ');
}

/** The size table that tc shows, complete. Throws a ZodError when the shape is another. */
export function readStab(json: unknown): Stab {
  const { linklayer, overhead, mpu, mtu, tsize } = stabJson.parse(json);
  const layer: LinkLayer = linklayer === undefined || linklayer === 'ethernet' ? 'ethernet' : 'atm';
  return {
    linklayer: layer,
    overhead: overhead ?? 0,
    ...(mpu === undefined ? {} : { mpu }),
    mtu: mtu ?? DEFAULT_MTU,
    tsize: tsize ?? DEFAULT_TSIZE,
  };
}

/** True when both tables give the same sizes. */
export function sameStab(a: Stab | undefined, b: Stab | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.linklayer === b.linklayer &&
    a.overhead === b.overhead &&
    (a.mpu ?? 0) === (b.mpu ?? 0) &&
    (a.mtu ?? DEFAULT_MTU) === (b.mtu ?? DEFAULT_MTU) &&
    (a.tsize ?? DEFAULT_TSIZE) === (b.tsize ?? DEFAULT_TSIZE)
  );
}
