// Owns what people read: the same result objects that --json prints, as text. Pure.
import type { ClientPolicy } from '@qubes-qos/core/client-policy';
import { formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import type { SourcedLine, TcConfig } from '@qubes-qos/core/tc-config';
import { CLIENT_PREFIX, VM_CONFIG_FEATURE_PREFIX } from '@qubes-qos/core/vm-config';
import { grantText } from './enforce.js';
import type { DeviceStatus, Status } from './status.js';

/** The text of `status`. */
export function statusText({ interfaces, problems }: Status): string {
  const blocks = interfaces.map(deviceText);
  const shown = blocks.length === 0 ? ['no uplink and no vif: nothing to do'] : blocks;
  return [...shown, ...problems.map((problem) => `problem: ${problem}`)].join('\n');
}

function deviceText(device: DeviceStatus): string {
  const rate = device.rate === null ? '' : ` at ${formatRate(device.rate as BitsPerSecond)}`;
  const state = device.inForce ? 'in force' : 'NOT in force';
  const lines = [`${device.interface} (${device.role}): ${device.scheduler}${rate}, ${state}`];
  lines.push(...device.notes.map((note) => `  ${note}`));
  if (device.classes.length > 0) {
    lines.push(row(['class', 'packets', 'bytes', 'dropped', 'waiting']));
    lines.push(
      ...device.classes.map((one) =>
        row([one.class, one.packets, one.bytes, one.drops, one.backlog].map(String)),
      ),
    );
  }
  return lines.join('\n');
}

function row([name = '', ...numbers]: readonly string[]): string {
  return `  ${name.padEnd(6)}${numbers.map((number) => number.padStart(12)).join('')}`;
}

const PERCENT: ReadonlySet<string> = new Set(['use', 'ef_share']);

/** One comment line for each setting: its value and where it is from. */
export function settingsText(config: TcConfig): string[] {
  return [
    ...lineText('', config.line),
    ...[...config.interfaces].flatMap(([name, line]) => lineText(`interface.${name}.`, line)),
    `# local = [${config.local.value.join(', ')}] (${config.local.source})`,
    ...[...config.clients].map(([address, policy]) => clientText(address, policy)),
    `# takeover = ${config.takeover.value} (${config.takeover.source})`,
  ];
}

function clientText(address: string, policy: ClientPolicy): string {
  const rates = (['up', 'down'] as const).flatMap((key) => {
    const rate = policy[key];
    return rate === undefined ? [] : [`${key} ${formatRate(rate)}`];
  });
  return `# client ${address}: ${[grantText(policy), ...(rates.length === 0 ? ['no limit'] : rates)].join(', ')} (${VM_CONFIG_FEATURE_PREFIX}${CLIENT_PREFIX}${address})`;
}

function lineText(prefix: string, line: SourcedLine): string[] {
  return Object.entries(line).map(([key, { value, source }]) => {
    const rate = typeof value === 'number' ? formatRate(value as BitsPerSecond) : value;
    return `# ${prefix}${key} = ${PERCENT.has(key) ? `${value} %` : rate} (${source})`;
  });
}
