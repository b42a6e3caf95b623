// Owns the table of the kinds of qdisc: each has a row that knows its words, its JSON, and what the kernel makes of both.
import { CAKE } from './kinds/cake.js';
import { ETS, HTB, PRIO } from './kinds/classful.js';
import { BFIFO, PFIFO } from './kinds/fifo.js';
import { FQ_CODEL } from './kinds/fq-codel.js';
import { SFQ } from './kinds/sfq.js';
import type { JsonOptions, KindSpec } from './kinds/spec.js';
import type { QdiscKind, QdiscOptions } from './options.js';

type KindTable = { readonly [K in QdiscKind]: KindSpec<Extract<QdiscOptions, { kind: K }>> };

/** A kind added to the model does not compile until it has its row here. */
const KINDS: KindTable = {
  htb: HTB,
  ets: ETS,
  prio: PRIO,
  cake: CAKE,
  fq_codel: FQ_CODEL,
  pfifo: PFIFO,
  bfifo: BFIFO,
  sfq: SFQ,
};

/** True for a kind that we build. */
export function isQdiscKind(kind: string): kind is QdiscKind {
  return Object.hasOwn(KINDS, kind);
}

/** `KIND WORDS` for `tc qdisc replace`. */
export function kindWords(options: QdiscOptions): string {
  return [options.kind, ...specOf(options.kind).words(options)].join(' ');
}

/** The options of a qdisc of ours from JSON, or undefined when they are none that we would have set. */
export function readOptions(kind: QdiscKind, json: JsonOptions): QdiscOptions | undefined {
  return specOf(kind).read(json);
}

/** True when the observed options are what the kernel makes of the desired ones. */
export function sameOptions(desired: QdiscOptions, observed: QdiscOptions): boolean {
  return desired.kind === observed.kind && specOf(desired.kind).same(desired, observed);
}

/**
 * The options that `tc qdisc replace` must be given under the same handle so that the observed qdisc becomes the desired
 * one, or undefined when only a rebuilt tree does it: always for htb and sfq; for fq_codel with another number of flows
 * or a threshold taken away; for cake with a memory limit, mark or smallest packet taken away; for another kind.
 */
export function changeOptions(desired: QdiscOptions, observed: QdiscOptions): QdiscOptions | undefined {
  return desired.kind === observed.kind ? specOf(desired.kind).change(desired, observed) : undefined;
}

// TypeScript cannot see that the row of a kind is called with options of that kind only.
function specOf(kind: QdiscKind): KindSpec<QdiscOptions> {
  return KINDS[kind];
}
