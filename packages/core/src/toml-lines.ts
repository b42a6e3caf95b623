// Owns the way from a key back to its line: the TOML parser keeps no places, and a fault without one is hard to find.

/**
 * The line, from 1, where the key of this path is written, or else the nearest table or key around it; undefined when
 * there is none. A value inside an inline table or a list has the line of the key that it is written for.
 */
export function lineOfKey(text: string, path: readonly PropertyKey[]): number | undefined {
  const wanted = path.filter((part) => typeof part !== 'number').map(String);
  let table: readonly string[] = [];
  let best: { readonly line: number; readonly length: number } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[{1,2}([^\]]+)\]/.exec(line)?.[1];
    const assigned = header === undefined ? /^\s*([\w."' -]+?)\s*=/.exec(line)?.[1] : undefined;
    if (header !== undefined) table = keysOf(header);
    else if (assigned === undefined) continue;
    const keys = assigned === undefined ? table : [...table, ...keysOf(assigned)];
    const common = keys.findIndex((key, position) => key !== wanted[position]);
    const length = common === -1 ? keys.length : 0;
    if (length > (best?.length ?? 0)) best = { line: index + 1, length };
  }
  return best?.line;
}

/** `a."b.c".d` -> a, b.c, d. */
function keysOf(dotted: string): string[] {
  return Array.from(dotted.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g), ([, double, single, bare]) => {
    return double ?? single ?? bare ?? '';
  });
}
