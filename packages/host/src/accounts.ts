// Owns the numbers of Unix users and groups, from whatever the qube has them in (nsswitch.conf(5)).
import { run } from './process.js';

/** `getent` ends with this when one of the names is not there; it prints the others. */
const NOT_FOUND = 2;

/** The numbers of those of the names that there are. @throws QosError of `run`. */
export async function numbersOf(
  database: 'passwd' | 'group',
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (names.length === 0) return new Map();
  const { stdout } = await run(['getent', database, ...names], { okCodes: [0, NOT_FOUND] });
  const entries = stdout.split('\n').map((line) => line.split(':'));
  return new Map(
    entries.flatMap(([name = '', , number = '']) => (/^\d+$/.test(number) ? [[name, Number(number)]] : [])),
  );
}
