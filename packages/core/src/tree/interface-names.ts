// Owns which sections of the settings speak of which interface: by its name, by an alias, by a group.
import { quote } from '../quote.js';
import type { TreesConfig } from './config.js';
import { TreeFault } from './fault.js';

/**
 * Interface -> the sections that speak of it, the more general first: its group's, its alias', its own.
 * @throws TreeFault for an interface in two groups, and for a group that is called like an alias.
 */
export function namesOfInterfaces(
  sections: readonly string[],
  { alias, group }: TreesConfig,
): Map<string, readonly string[]> {
  const real = (name: string): string => (Object.hasOwn(alias, name) ? (alias[name] ?? name) : name);
  const groupOf = new Map<string, string>();
  for (const [name, members] of Object.entries(group)) {
    if (Object.hasOwn(alias, name)) throw new TreeFault(['group', name], 'is the name of an alias too');
    for (const member of members.map(real)) {
      const other = groupOf.get(member);
      if (other !== undefined) {
        const twice = other === name ? 'is named twice' : `is in group ${quote(other)} already`;
        throw new TreeFault(
          ['group', name],
          `${quote(member)} ${twice}: expected one group for an interface`,
        );
      }
      groupOf.set(member, name);
    }
  }
  const names = new Map<string, readonly string[]>();
  const add = (name: string): void => {
    const aliases = Object.keys(alias).filter((one) => real(one) === name);
    const ofGroup = groupOf.get(name);
    names.set(name, [...(ofGroup === undefined ? [] : [ofGroup]), ...aliases, name]);
  };
  for (const section of sections) {
    const members = Object.hasOwn(group, section) ? (group[section] ?? []) : [section];
    for (const member of members) add(real(member));
  }
  return names;
}
