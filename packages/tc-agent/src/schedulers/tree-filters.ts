// Owns the filters of a custom tree: what its classes take, in the order of the settings.
import { quote } from '@qubes-qos/core/quote';
import { IP_FAMILIES, type Filter, type Handle } from '@qubes-qos/core/tc/model';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import { matchKey, matchName, parseMatch, type Match } from './tree-match.js';
import type { TreeShape } from './tree-shape.js';

/** The filters of a tree, IPv4 first. @throws TreeFault for a wrong match, and for one that two classes have. */
export function filtersOf(name: string, shape: TreeShape, classid: (name: string) => Handle): Filter[] {
  const taken = new Map<string, string>();
  const matches: { readonly match: Match; readonly className: string }[] = [];
  for (const className of shape.order) {
    const path = ['tree', name, 'class', className, 'match'];
    for (const text of shape.classes.get(className)?.match ?? []) {
      const match = parseMatch(text, path);
      if (!shape.leaves.includes(className))
        throw new TreeFault(
          path,
          'a class that has classes in it holds no packets: expected match in one of those',
        );
      const other = taken.get(matchKey(match));
      if (other !== undefined)
        throw new TreeFault(path, `${matchName(match)} belongs to class ${quote(other)} already`);
      taken.set(matchKey(match), className);
      matches.push({ match, className });
    }
  }
  return IP_FAMILIES.flatMap((family) =>
    matches.map(({ match, className }, position) => ({
      parent: '51:',
      family,
      ...match,
      flowid: classid(className),
      index: position + 1,
    })),
  );
}
