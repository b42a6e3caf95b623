// Owns the tables of what the suite costs: vifs, applying again, passes, memory, start. Pure.
import type { BenchRow } from './figures.js';
import { markdownTable } from './markdown.js';

/** The rows of one kind. */
export function rowsOfKind<K extends BenchRow['kind']>(
  rows: readonly BenchRow[],
  kind: K,
): Extract<BenchRow, { kind: K }>[] {
  return rows.filter((row): row is Extract<BenchRow, { kind: K }> => row.kind === kind);
}

/** One table for each kind of cost that was measured, under its heading. */
export function costSections(rows: readonly BenchRow[]): string {
  return [
    vifSection(rows),
    reapplySection(rows),
    reconcileSection(rows),
    residentSection(rows),
    startSection(rows),
  ]
    .filter((section) => section !== '')
    .join('\n');
}

function vifSection(rows: readonly BenchRow[]): string {
  const found = rowsOfKind(rows, 'vif');
  if (found.length === 0) return '';
  const body = found.map((row) => {
    const none = found.find(({ traffic }) => traffic === row.traffic)!;
    return [
      row.qdisc,
      row.traffic,
      row.mbit.toFixed(1),
      `${((row.mbit / none.mbit - 1) * 100).toFixed(1)} %`,
      row.instructions.toFixed(0),
      (row.instructions - none.instructions).toFixed(0),
    ];
  });
  return `### vif: unshaped interfaces

A download from sys-net through sys-firewall to a qube, the processor full: the sender, two hops and the receiver share one
processor of 500 MIPS. Instructions are those of the whole path for each frame of 1500 bytes.

${markdownTable(['root qdisc of vifs and eth0', 'traffic', 'Mbit/s', 'against noqueue', 'instructions a frame', 'more'], body)}`;
}

function reapplySection(rows: readonly BenchRow[]): string {
  const found = rowsOfKind(rows, 'reapply');
  if (found.length === 0) return '';
  const body = found.map(({ action, times, sent, lost, p99, max, tcpMbit }) => [
    ...[
      action,
      `${times}`,
      `${lost} of ${sent}`,
      p99?.toFixed(2) ?? '',
      max?.toFixed(2) ?? '',
      tcpMbit.toFixed(2),
    ],
  ]);
  return `### reapply: applied again under load

500 packets of EF a second and two TCP uploads on 10 Mbit/s; the resident agent in sys-net is woken four times. Its pass takes the
one processor that also sends and forwards here: that is the delay.

${markdownTable(['what', 'times', 'EF lost', 'EF p99', 'max', 'TCP Mbit/s'], body)}`;
}

function reconcileSection(rows: readonly BenchRow[]): string {
  const found = rowsOfKind(rows, 'reconcile');
  if (found.length === 0) return '';
  const body = found.map(({ vifs, pass, processes, ms }) => [
    ...[pass, `${vifs}`, processes.toFixed(1), ms.toFixed(0), (ms / vifs).toFixed(1)],
  ]);
  return `### reconcile: one pass of the agent

Milliseconds of a processor of 500 MIPS, the programs that the agent starts included; means of four passes. A *wake* is what an
event costs the unit after a quiet time: Node starts (see below), reads everything with a V8 that has compiled nothing yet,
makes the pass, and hands over to the waiter; the programs beyond those of the pass are the hand-over and the waiter's.

${markdownTable(['pass', 'vifs', 'processes', 'ms', 'ms a vif'], body)}`;
}

function residentSection(rows: readonly BenchRow[]): string {
  const [found] = rowsOfKind(rows, 'resident');
  if (!found) return '';
  const body = found.privateDirty.map(({ passes, bytes }) => [`${passes}`, (bytes / 1e6).toFixed(1)]);
  const held = found.processes.map(({ name, bytes }) => `\`${name}\` with ${(bytes / 1e6).toFixed(1)} MB`);
  const outlives =
    found.lasting.length > 0
      ? `Through all of them live ${names(found.lasting)}.`
      : 'None of them outlives a pass, so that no more can gather in more passes.';
  return `### resident: what stays

All processes of the unit, at rest; at the end ${held.join(', ')}. ${outlives}

${markdownTable(['passes so far', 'private dirty MB (anonymous)'], body)}
In ${found.quietSeconds} quiet seconds any thread of them woke in ${found.wakingAt.length} of them (${found.wakingAt.join(', ')}), ${found.wakeUps} times in all, for ${found.passes.toFixed(0)} slow passes.
`;
}

function names(list: readonly string[]): string {
  return list.map((name) => `\`${name}\``).join(', ');
}

function startSection(rows: readonly BenchRow[]): string {
  const found = rowsOfKind(rows, 'start');
  if (found.length === 0) return '';
  const body = found.map(({ command, ms, ratio }) => [`\`${command}\``, ms.toFixed(0), ratio.toFixed(2)]);
  return `### start: from nothing to the end, \`env -i\`

${markdownTable(['command', 'ms at 500 MIPS', 'times `node -e 0`'], body)}`;
}

/** How often it woke after a rest of some seconds: what wakes more than once in a row belongs to one cause. */
export function awakenings(wakingAt: readonly number[]): number {
  return wakingAt.filter((second, index) => index === 0 || second - wakingAt[index - 1]! > REST_SECONDS)
    .length;
}

const REST_SECONDS = 10;
