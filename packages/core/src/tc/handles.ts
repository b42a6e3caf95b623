// Owns the majors that are ours (design: "Marks and names that we own") and the mapping between the two sides.
import type { Handle, Side } from './model.js';

/** The side of a root handle, or undefined when the handle is not one that we use for a root. */
export function sideOfRoot(handle: string): Side | undefined {
  if (handle === '51:') return '5';
  return handle === '61:' ? '6' : undefined;
}

/** Queues that EF can have: one for each of fourteen clients, and the first for everything else. */
export const EF_SLOTS = 15;

/** The handles of a slot's qdiscs: what parts its queues, the queue of TCP, and that of everything else. */
export function efHandles(slot: number): {
  readonly parts: Handle;
  readonly tcp: Handle;
  readonly other: Handle;
} {
  const digit = (slot + 1).toString(16);
  return { other: `51${digit}:`, tcp: `52${digit}:`, parts: `53${digit}:` };
}

/** The handle of HTB where it is not the root and limits EF only. */
export const EF_SHAPER = '53:';
/** The class of EF as a whole, where HTB is the root. */
export const EF_CLASS = '51:2';

/** Whose children are the queues of clients: EF as a whole, in either place. */
export const EF_WHOLES: readonly Handle[] = [EF_CLASS, `${EF_SHAPER}2`];

/** True for the handle of a queue of EF that is one among several, on either side. */
export function isEfQueue(handle: string): boolean {
  return /^[56][12][1-9a-f]:$/.test(handle);
}

/** Where filters of EF's queues can stand. */
export const EF_FILTER_PARENTS: readonly Handle[] = [
  EF_CLASS,
  EF_SHAPER,
  ...Array.from({ length: EF_SLOTS }, (_, slot) => efHandles(slot).parts),
];

/** The other set of majors. */
export function otherSide(side: Side): Side {
  return side === '5' ? '6' : '5';
}

/** A handle of side 5 as it is written on `side`. */
export function onSide(handle: Handle, side: Side): Handle {
  return side === '5' ? handle : (handle.replace(/^5/, '6') as Handle);
}

/** A handle that was read on `side`, as it is in the model (side 5). A handle of no side stays as it is. */
export function offSide(handle: string, side: Side): Handle {
  return (side === '5' ? handle : handle.replace(/^6/, '5')) as Handle;
}
