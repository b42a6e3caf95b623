// Owns bounded parallelism: qubesd takes one request a connection, and is one process; over qrexec each is a process.

/** Requests that wait for an answer at the same time. */
const MAX_AT_ONCE = 8;

/** Runs the action for every item, a few at a time; the results are in the order of the items. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  action: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const queue = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await action(item);
  };
  await Promise.all(Array.from({ length: Math.min(MAX_AT_ONCE, items.length) }, work));
  return results;
}

/** The same action with a bound of its own: whoever calls it, and from wherever, a few at a time. */
export function bounded<Argument, Result>(
  action: (argument: Argument) => Promise<Result>,
  atOnce = MAX_AT_ONCE,
): (argument: Argument) => Promise<Result> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async (argument) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await action(argument);
    } finally {
      // Whoever waits takes the place over, so that nobody comes in between.
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
