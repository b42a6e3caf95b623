// Owns where the settings come from, and what counts while one of the sources is wrong: the last good value.
import { messageOf } from '@qubes-qos/core/errors';
import { mergeConfig, parseFileSettings, type FileSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import { VM_CONFIG, VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import type { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import { readTomlFiles } from '@qubes-qos/host/toml-files';

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
  const files = await goodFiles(last, faults);
  const good: GoodSettings = { files, feature: goodFeature(feature, last, faults) };
  return { config: mergeConfig(files, good.feature ?? undefined), faults, good };
}

async function goodFiles(last: GoodSettings | undefined, faults: string[]): Promise<GoodSettings['files']> {
  try {
    const files = await readTomlFiles();
    return files.map(({ source, content }) => ({ source, settings: parseFileSettings(source, content) }));
  } catch (error) {
    faults.push(messageOf(error));
    return last?.files ?? [];
  }
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
