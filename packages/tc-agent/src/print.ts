// Owns what `print` shows: the settings with their sources, and every command of a network that has nothing of ours yet. Pure.
import type { TcConfig } from '@qubes-qos/core/tc-config';
import { renderNft } from '@qubes-qos/core/nft/render';
import { renderTc } from '@qubes-qos/core/tc/render';
import { ifbLines } from '@qubes-qos/host/ifb';
import { BARE, deviceOps } from './device-ops.js';
import type { DevicePlan } from './plan.js';
import { tcTable } from './tables.js';
import { settingsText } from './text.js';

/** The scripts of a plan, each for one program. */
export interface Printed {
  /** For `tc -batch`. */
  readonly script: string;
  /** Devices that are made. */
  readonly ifbs: readonly string[];
  /** For `nft -f`. */
  readonly nft: string;
}

/** What the plan comes to where nothing of ours is yet. */
export function printed(config: TcConfig, plans: readonly DevicePlan[]): Printed {
  const script = renderTc(plans.map((plan) => deviceOps(plan, BARE, config))).text;
  const ifbs = plans.filter(({ role }) => role === 'download').map(({ link }) => link.ifname);
  const vifs = plans.filter(({ role }) => role === 'client').map(({ link }) => link.ifname);
  const table = tcTable({ remembers: ifbs.length > 0, enforced: config.enforce ? vifs : undefined });
  return { script, ifbs, nft: table ? renderNft([{ op: 'replace', table }]) : '' };
}

/** The same for people. */
export function printedText(config: TcConfig, { script, ifbs, nft }: Printed): string {
  return [
    ...settingsText(config),
    ...section('ip -batch -', ifbLines(ifbs)),
    ...section('tc -batch -', script),
    ...section('nft -f -', nft),
  ].join('\n');
}

/** The same for programs. */
export function printedJson(config: TcConfig, result: Printed): string {
  return JSON.stringify({
    version: 1,
    settings: {
      ...config,
      interfaces: Object.fromEntries(config.interfaces),
      clients: Object.fromEntries(config.clients),
    },
    ...result,
  });
}

function section(program: string, text: string): string[] {
  return text === '' ? [] : [`# ${program}`, text.trimEnd()];
}
