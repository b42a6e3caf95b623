// Owns where the settings come from, and what counts while one of the sources is wrong: the last good value.
import type { Dom0Values } from '@qubes-qos/core/dom0-values';
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { mergeConfig, parseFileSettings, type FileSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import { lineOfKey } from '@qubes-qos/core/toml-lines';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import { VM_CONFIG_FEATURE_PREFIX, VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import type { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import { readTomlFiles, type TomlFile } from '@qubes-qos/host/toml-files';
import { tryTrees } from './plan-tree.js';

/** Settings that were once valid, kept across restarts of the agent until the next boot. */
export interface GoodSettings {
  readonly files: readonly { readonly source: string; readonly settings: FileSettings }[];
  readonly dom0: Dom0Values;
}

export interface Settings {
  readonly config: TcConfig;
  /** What was wrong, one sentence each. */
  readonly faults: readonly string[];
  readonly good: GoodSettings;
}

/** Every name of ours begins so. */
const PREFIX = `${VM_CONFIG_PATH_PREFIX}qos`;

/** What QubesDB says: the values of all names of ours, in one request. */
export async function readDom0(db: QubesDbConnection): Promise<Dom0Values> {
  const values = await db.multiread(PREFIX);
  return Object.fromEntries(
    Array.from(values, ([path, value]) => [
      path.slice(VM_CONFIG_PATH_PREFIX.length),
      Buffer.from(value).toString('latin1'),
    ]),
  );
}

/**
 * Reads the files and puts them together with dom0's word.
 * @param dom0 - undefined when QubesDB could not be read.
 * @param last - the settings that were good before; a source that is wrong now keeps what it said then.
 */
export async function readSettings(
  dom0: Dom0Values | undefined,
  last: GoodSettings | undefined,
): Promise<Settings> {
  const faults: string[] = [];
  const values = goodValues(dom0, last, faults);
  const good: GoodSettings = { files: await goodFiles(values, last, faults), dom0: values };
  return { config: mergeConfig(good.files, values), faults, good };
}

async function goodFiles(
  dom0: Dom0Values,
  last: GoodSettings | undefined,
  faults: string[],
): Promise<GoodSettings['files']> {
  try {
    return checkFiles(await readTomlFiles(), dom0);
  } catch (error) {
    faults.push(messageOf(error));
    return last?.files ?? [];
  }
}

/**
 * Checks the files one by one and then all together.
 * @throws QosError('config') with file, line, key, what was found and what is expected.
 */
export function checkFiles(texts: readonly TomlFile[], dom0: Dom0Values): GoodSettings['files'] {
  const files = texts.map(({ source, content, text }) => ({
    source,
    settings: parseFileSettings(source, content, (path) => lineOfKey(text, path)),
  }));
  try {
    tryTrees(mergeConfig(files, dom0));
  } catch (error) {
    throw error instanceof TreeFault ? placed(error, texts) : error;
  }
  return files;
}

/** The sentence for a fault that is seen only when all files are put together: the last file that has the key is named. */
function placed({ path, message }: TreeFault, files: readonly TomlFile[]): QosError {
  const key = path.join('.');
  for (let length = path.length; length > 0; length--) {
    const part = path.slice(0, length);
    const file = files.findLast(({ content }) => hasKey(content, part));
    if (!file) continue;
    const line = lineOfKey(file.text, part);
    const place = line === undefined ? '' : `:${line}`;
    return new QosError(
      'config',
      `${file.source}${place}: ${key}: ${message}; the last good settings stay in force.`,
    );
  }
  return new QosError('config', `${key}: ${message}; the last good settings stay in force.`);
}

function hasKey(content: unknown, path: readonly string[]): boolean {
  let inner = content;
  for (const key of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, key)) return false;
    inner = Reflect.get(inner, key);
  }
  return true;
}

/** Each value by itself: one that is wrong keeps what its name said last, and costs the others nothing. */
function goodValues(
  dom0: Dom0Values | undefined,
  last: GoodSettings | undefined,
  faults: string[],
): Dom0Values {
  if (dom0 === undefined) return last?.dom0 ?? {};
  return Object.fromEntries(
    Object.entries(dom0).flatMap(([name, value]) => {
      try {
        mergeConfig([], { [name]: value });
        return [[name, value]];
      } catch (error) {
        const before = last?.dom0[name];
        const kept =
          before === undefined ? 'It is left out.' : `The last good value, ${before}, stays in force.`;
        faults.push(`${VM_CONFIG_FEATURE_PREFIX}${name}: ${messageOf(error)} ${kept}`);
        return before === undefined ? [] : [[name, before]];
      }
    }),
  );
}
