// Owns the majors that are ours (design: "Marks and names that we own") and the mapping between the two sides.
import type { Handle, Side } from './model.js';

/** The side of a root handle, or undefined when the handle is not one that we use for a root. */
export function sideOfRoot(handle: string): Side | undefined {
  if (handle === '51:') return '5';
  return handle === '61:' ? '6' : undefined;
}

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
