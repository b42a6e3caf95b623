// Owns reading a machine file with all that it imports.
import { dirname, resolve } from 'node:path';
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { mergeMachineFiles, parseMachineFile, type MachineFile } from '@qubes-qos/core/machine-file';
import { lineOfKey } from '@qubes-qos/core/toml-lines';
import { readTomlFile } from '@qubes-qos/host/toml-files';

/** A whole file, and where each of its keys is written. */
export interface ReadFile {
  readonly file: MachineFile;
  /** `FILE:LINE` of a key, or the file alone. */
  readonly placeOf: (path: readonly string[]) => string;
}

const CONSEQUENCE = 'nothing was changed';

/**
 * Reads a file after what it imports: what it says itself wins. A path of an import is relative to the file that it is in.
 * @throws QosError('config') with file and line
 */
export async function readMachineFile(path: string): Promise<ReadFile> {
  return read(path, []);
}

async function read(path: string, above: readonly string[]): Promise<ReadFile> {
  const { content, text } = await readTomlFile(path, CONSEQUENCE);
  const placeOf = (key: readonly PropertyKey[]): string => {
    const line = lineOfKey(text, key);
    return line === undefined ? path : `${path}:${line}`;
  };
  const reading = parseMachineFile(content);
  if ('faults' in reading) {
    const faults = reading.faults.map((fault) => `${placeOf(fault.path)}: ${fault.message}`);
    throw new QosError('config', `${faults.join('; ')}; ${CONSEQUENCE}.`);
  }
  const chain = [...above, resolve(path)];
  let whole: ReadFile = { file: {}, placeOf };
  for (const name of reading.file.import ?? []) {
    const imported = resolve(dirname(path), name);
    if (chain.includes(imported)) {
      const circle = [...chain.slice(chain.indexOf(imported)), imported].join(' -> ');
      throw new QosError(
        'config',
        `${placeOf(['import'])}: a file imports itself (${circle}); ${CONSEQUENCE}.`,
      );
    }
    whole = merge(whole, await readImported(imported, chain, placeOf(['import'])));
  }
  return merge(whole, {
    file: reading.file,
    placeOf: (key) => (lineOfKey(text, key) === undefined ? '' : placeOf(key)),
  });
}

async function readImported(path: string, chain: readonly string[], place: string): Promise<ReadFile> {
  try {
    return await read(path, chain);
  } catch (error) {
    if (chain.length > 1) throw error;
    throw new QosError('config', `${place}: import: ${messageOf(error)}`, { cause: error });
  }
}

function merge(one: ReadFile, other: ReadFile): ReadFile {
  return {
    file: mergeMachineFiles(one.file, other.file),
    placeOf: (key) => other.placeOf(key) || one.placeOf(key),
  };
}
