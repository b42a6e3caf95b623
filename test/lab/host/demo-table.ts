// Owns the table of the demonstration, as text.
import type { DemoRecord, DemoState } from '../guest/demo.js';
import type { Row } from '../guest/measure.js';
import type { Family } from '../guest/traffic.js';

type RowRecord = Extract<DemoRecord, { kind: 'row' }>;

/** A full frame, bytes, and the rate at which sys-net sends: what nobody can take back once it is on the line. */
const FRAME_BYTES = 1514;
const SHAPED_BITS_PER_MS = 9500;

const HEAD = `A call from work (50 packets a second) while personal and untrusted upload: 2 TCP and 6 Mbit/s of UDP each.
The line: 10 Mbit/s up, behind a modem that queues 500 ms. Delay above the provider's 10 ms.

                                   delay of the call, ms               uploads, Mbit/s
                                   p50      p99      max    lost   personal  untrusted
`;

const BAND_NAMES = ['ef', 'cs5', 'cs0', 'cs2', 'cs1'];

/** One line for each state and address family, the floor that no queue can beat, and the counters of the bands. */
export function renderTable(rows: readonly RowRecord[]): string {
  return (
    HEAD + (['ip', 'ip6'] as const).map((family) => renderFamily(rows, family)).join('\n') + renderBands(rows)
  );
}

function renderFamily(rows: readonly RowRecord[], family: Family): string {
  const name = family === 'ip' ? 'IPv4' : 'IPv6';
  const find = (state: DemoState) =>
    rows.find((entry) => entry.state === state && entry.family === family)?.row;
  const [idle, without, shaped] = [find('idle'), find('without'), find('with')];
  if (!idle || !without || !shaped) throw new Error(`the guest did not report all rows for ${name}.`);
  return [
    line(`${name}  without us`, [without.p50, without.p99, without.max], without),
    line('      after qvm-qos set work ef', [shaped.p50, shaped.p99, shaped.max], shaped),
    `${line('      physical floor', [idle.p50, NaN, idle.p50 + (FRAME_BYTES * 8) / SHAPED_BITS_PER_MS])}   (idle; one full frame ahead)`,
    '',
  ].join('\n');
}

function line(label: string, delays: readonly number[], row?: Row): string {
  const numbers = delays.map((ms) => (Number.isNaN(ms) ? '' : ms.toFixed(2)).padStart(9)).join('');
  const rest = row
    ? `${(row.loss * 100).toFixed(1).padStart(6)} %${row.personal.toFixed(2).padStart(10)}${row.untrusted.toFixed(2).padStart(11)}`
    : '';
  return `${label.padEnd(29)}${numbers}${rest}`;
}

function renderBands(rows: readonly RowRecord[]): string {
  const bands = rows.find((entry) => entry.state === 'with')?.row.bands ?? [];
  const shown = bands.map((bytes, index) => `${BAND_NAMES[index] ?? '?'} ${bytes}`).join(', ');
  return `\nBytes that each band of sys-net sent in that call (IPv4): ${shown}\n`;
}
