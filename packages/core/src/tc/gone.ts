// Owns what becomes of the queues of clients that are gone: the one part of a tree that is removed in place.
import { EF_WHOLES } from './handles.js';
import type { Handle, Op, Qdisc, Tree } from './model.js';
import { sorterKey, type Sorter } from './sorters.js';

/**
 * Parts what is left of an observed tree from the queues of clients that are gone: their sorters, their classes, and what
 * hangs below these, which goes with them.
 */
export function withoutGone(
  desired: Tree,
  observed: Tree,
): { readonly left: Tree; readonly removals: readonly Op[] } {
  const wanted = new Set(sortersOf(desired).map(sorterKey));
  const isGone = (sorter: Sorter) => sorter.sort === 'from' && !wanted.has(sorterKey(sorter));
  const gone = sortersOf(observed).filter(isGone);
  const kept = new Set<string>(desired.classes.map(({ classid }) => classid));
  // Not by what the sorters say: the vif may have vanished before its sorter was there.
  const lost = new Set<Handle>(
    observed.classes.flatMap(({ classid, parent }) =>
      EF_WHOLES.includes(parent) && !kept.has(classid) ? [classid] : [],
    ),
  );
  const below = qdiscsBelow(observed, lost);
  return {
    left: {
      qdiscs: observed.qdiscs.filter(({ handle }) => !below.has(handle)),
      classes: observed.classes.filter(({ classid }) => !lost.has(classid)),
      filters: observed.filters.filter(({ parent }) => !below.has(parent)),
      prefixes: observed.prefixes,
      sorters: sortersOf(observed).filter((sorter) => !isGone(sorter) && !below.has(sorter.parent)),
    },
    removals: [
      ...gone.map((sorter): Op => ({ op: 'delete-sorter', sorter })),
      ...Array.from(lost, (classid): Op => ({ op: 'delete-class', classid })),
    ],
  };
}

function qdiscsBelow({ qdiscs }: Tree, classes: ReadonlySet<string>): ReadonlySet<string> {
  const below = new Set<string>();
  const isBelow = ({ handle, parent }: Qdisc) =>
    !below.has(handle) && (classes.has(parent) || below.has(parent.replace(/:.*/, ':')));
  for (let next = qdiscs.filter(isBelow); next.length > 0; next = qdiscs.filter(isBelow)) {
    for (const { handle } of next) below.add(handle);
  }
  return below;
}

/** The sorters of a tree. */
export function sortersOf({ sorters }: Tree): readonly Sorter[] {
  return sorters ?? [];
}
