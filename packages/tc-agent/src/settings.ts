// Owns where the settings come from, and what counts while one of the sources is wrong: the last good value.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { mergeConfig, parseFileSettings, type FileSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import { lineOfKey } from '@qubes-qos/core/toml-lines';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import { VM_CONFIG, VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import type { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import { readTomlFiles, type TomlFile } from '@qubes-qos/host/toml-files';
import { tryTrees } from './plan-tree.js';

/** Settings that were once valid, kept across restarts of the agent until the next boot. */
export interface GoodSettings {
  readonly files: readonly { readonly source: string; readonly settings: FileSettings }[];
  readonly feature: string | null;
}

export interface Settings {
  readonly config: TcConfig;
  /** What was wrong, one sentence each. */
  readonly faults: readonly string[];
  readonly good: GoodSettings;
}

/** What QubesDB says: the value of `vm-config.qos-uplink`, null when there is none. */
export async function readFeature(db: QubesDbConnection): Promise<string | null> {
  const value = await db.read(VM_CONFIG_PATH_PREFIX + VM_CONFIG.uplink);
  return value === undefined ? null : Buffer.from(value).toString('latin1');
}

/**
 * Reads the files and puts them together with dom0's word.
 * @param feature - undefined when QubesDB could not be read.
 * @param last - the settings that were good before; a source that is wrong now keeps what it said then.
 */
export async function readSettings(
  feature: string | null | undefined,
  last: GoodSettings | undefined,
): Promise<Settings> {
  const faults: string[] = [];
  const dom0 = goodFeature(feature, last, faults);
  const files = await goodFiles(dom0, last, faults);
  const good: GoodSettings = { files, feature: dom0 };
  return { config: mergeConfig(files, good.feature ?? undefined), faults, good };
}

async function goodFiles(
  feature: string | null,
  last: GoodSettings | undefined,
  faults: string[],
): Promise<GoodSettings['files']> {
  try {
    return checkFiles(await readTomlFiles(), feature);
  } catch (error) {
    faults.push(messageOf(error));
    return last?.files ?? [];
  }
}

/**
 * Checks the files one by one and then all together.
 * @throws QosError('config') with file, line, key, what was found and what is expected.
 */
export function checkFiles(texts: readonly TomlFile[], feature: string | null): GoodSettings['files'] {
  const files = texts.map(({ source, content, text }) => ({
    source,
    settings: parseFileSettings(source, content, (path) => lineOfKey(text, path)),
  }));
  try {
    tryTrees(mergeConfig(files, feature ?? undefined));
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

function goodFeature(
  feature: string | null | undefined,
  last: GoodSettings | undefined,
  faults: string[],
): string | null {
  if (feature === undefined) return last?.feature ?? null;
  try {
    mergeConfig([], feature ?? undefined);
    return feature;
  } catch (error) {
    faults.push(`vm-config.${VM_CONFIG.uplink}: ${messageOf(error)} The last good rate stays in force.`);
    return last?.feature ?? null;
  }
}
