// Owns what a class of a tree takes: `ef`, `dscp 34`, `mark 0x10/0xff`.
import { CLASS_NAMES, classNameList, classOf, isClassName } from '@qubes-qos/core/classes';
import { quote } from '@qubes-qos/core/quote';
import { TreeFault } from '@qubes-qos/core/tree/fault';

/** What a filter looks at. */
export type Match =
  { readonly dscp: number } | { readonly mark: { readonly value: number; readonly mask: number } };

const MAX_MARK = 0xffff_ffff;

/** Reads one text of `match`. @throws TreeFault at `path`. */
export function parseMatch(text: string, path: readonly string[]): Match {
  if (isClassName(text)) return { dscp: classOf(text).dscp };
  const dscp = /^dscp (0x[0-9a-f]{1,2}|\d{1,2})$/i.exec(text)?.[1];
  if (dscp !== undefined && Number(dscp) < 64) return { dscp: Number(dscp) };
  const [, value, mask] =
    /^mark (0x[0-9a-f]{1,8}|\d{1,10})(?:\/(0x[0-9a-f]{1,8}|\d{1,10}))?$/i.exec(text) ?? [];
  if (value === undefined) {
    throw new TreeFault(
      path,
      `found ${quote(text)}, expected ${classNameList()}, "dscp 0" to "dscp 63", or "mark VALUE/MASK"`,
    );
  }
  const mark = { value: Number(value), mask: Number(mask ?? MAX_MARK) };
  if (mark.value > MAX_MARK || mark.mask > MAX_MARK || mark.mask === 0) {
    throw new TreeFault(
      path,
      `${quote(text)}: expected a value and a mask of 32 bits, and a mask that is not 0`,
    );
  }
  // Bit operations of JavaScript are signed: >>> 0 makes them unsigned again.
  if ((mark.value & mark.mask) >>> 0 !== mark.value) {
    throw new TreeFault(path, `${quote(text)} never matches: the value has bits outside the mask`);
  }
  return { mark };
}

/** One text for equal matches. */
export function matchKey(match: Match): string {
  return 'dscp' in match ? `dscp ${match.dscp}` : `mark ${match.mark.value}/${match.mark.mask}`;
}

/** `ef`, or `dscp 34` where no class has it. */
export function matchName(match: Match): string {
  const name = 'dscp' in match ? CLASS_NAMES.find((one) => classOf(one).dscp === match.dscp) : undefined;
  return name ?? matchKey(match);
}
