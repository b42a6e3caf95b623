// Owns the difference between what is to hang on the hooks and what does.
import {
  isFlower,
  letsPass,
  type HookFilter,
  type HookOp,
  type ObservedFilter,
  type ObservedHooks,
} from './model.js';
import { filterMark } from './render.js';

/**
 * The ops that lead from observed to desired; none when nothing is to be done. matchall cannot be changed (kernel
 * cls_matchall.c, mall_change), so a filter that is another is deleted and added. Packets come between the two; they find
 * at least one of them where the filter has a spare position.
 */
export function diffHooks(desired: readonly HookFilter[], observed: ObservedHooks): HookOp[] {
  const slots = new Map(
    desired.map((one) => [one, observed.ours.find((filter) => isSame(one, filter))?.slot]),
  );
  const isKept = (filter: ObservedFilter): boolean =>
    desired.some((wanted) => isSame(wanted, filter) && slots.get(wanted) === filter.slot);
  const stale = observed.ours.filter((filter) => !isKept(filter));
  const missing = desired.filter((wanted) => slots.get(wanted) === undefined);
  const guards = missing.filter(hasSpare).map((wanted) => freePlace(wanted, observed.ours));
  const inTheWay = stale.filter((filter) => guards.some((guard) => isAt(guard, guard.slot, filter)));
  const left = observed.others + observed.ours.length - stale.length + missing.length;
  return [
    ...(missing.length > 0 && observed.qdisc === 'none' ? [{ op: 'add-hooks' } as const] : []),
    ...inTheWay.map(deletion),
    ...guards.map(addition),
    ...stale.filter((filter) => !inTheWay.includes(filter)).map(deletion),
    ...missing.filter((wanted) => !hasSpare(wanted)).map(addition),
    ...(stale.length > 0 && left === 0 && observed.qdisc === 'clsact'
      ? [{ op: 'delete-hooks' } as const]
      : []),
  ];
}

function addition(filter: HookFilter): HookOp {
  return { op: 'add-hook-filter', filter };
}

function deletion(filter: ObservedFilter): HookOp {
  return { op: 'delete-hook-filter', filter };
}

function hasSpare({ spare }: HookFilter): boolean {
  return spare !== undefined;
}

/** At its spare position when only the first is taken. Of two that are stale the later has the last word meanwhile. */
function freePlace(wanted: HookFilter, ours: readonly ObservedFilter[]): HookFilter {
  const { slot, spare = slot } = wanted;
  const isTaken = (position: number): boolean => ours.some((filter) => isAt(wanted, position, filter));
  return isTaken(slot) && !isTaken(spare) ? { ...wanted, slot: spare } : wanted;
}

function isAt({ hook }: HookFilter, slot: number, filter: ObservedFilter): boolean {
  return filter.hook === hook && filter.slot === slot;
}

function isSame(
  wanted: HookFilter,
  { hook, slot, protocol, mark, isFlower: byMatch = false, to, dscp }: ObservedFilter,
): boolean {
  const redirect = wanted.actions.find((action) => action.action === 'redirect');
  return (
    wanted.hook === hook &&
    (wanted.slot === slot || wanted.spare === slot) &&
    wanted.protocol === protocol &&
    (letsPass(wanted) ? wanted.dscp === dscp : isFlower(wanted) === byMatch && filterMark(wanted) === mark) &&
    redirect?.to === to
  );
}
