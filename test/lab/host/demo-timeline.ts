// Owns the plot of the demonstration: the delay of each packet of one call over time, on a logarithmic scale.
import type { DemoRecord } from '../guest/demo.js';

type LiveRecord = Extract<DemoRecord, { kind: 'live' }>;

const COLUMNS = 80;
const PACKETS_PER_SECOND = 50;
/** The lower end of each line of the plot, milliseconds. */
const LEVELS = [316, 100, 31.6, 10, 3.16, 1, 0.316, 0.1];

/** Eight lines of delay, one of loss, and under them the commands at the moment when they were typed. */
export function renderTimeline(live: LiveRecord): string {
  const columns = Array.from({ length: COLUMNS }, (_, column) => packetsOf(live, column));
  const plot = LEVELS.map((level, index) => {
    const above = LEVELS[index - 1] ?? Infinity;
    const marks = columns.map((column) =>
      column.delays.some((ms) => ms >= level && ms < above) ? 'o' : ' ',
    );
    return `${label(level)} |${marks.join('').trimEnd()}`;
  });
  const lost = columns.map((column) => (column.delays.length < column.sent ? 'x' : ' ')).join('');
  return [
    `One call over IPv4, ${live.seconds} s, the uploads running all the time: delay of each packet`,
    ...plot,
    `     lost |${lost.trimEnd()}`,
    `          +${'-'.repeat(COLUMNS)}`,
    ...live.typed.map(({ text, atS }) => `${' '.repeat(11 + columnOf(live, atS))}^ ${text}`),
    "The modem's old queue empties through the 5 % of the line that sys-net leaves free; no new one builds up.",
    '',
  ].join('\n');
}

interface Column {
  readonly sent: number;
  readonly delays: readonly number[];
}

function packetsOf(live: LiveRecord, column: number): Column {
  const total = live.seconds * PACKETS_PER_SECOND;
  const first = Math.ceil((column * total) / COLUMNS);
  const end = Math.ceil(((column + 1) * total) / COLUMNS);
  const arrived = live.probes.filter(({ number }) => number >= first && number < end);
  return { sent: end - first, delays: arrived.map(({ addedMs }) => addedMs) };
}

function columnOf(live: LiveRecord, atS: number): number {
  return Math.floor((atS / live.seconds) * COLUMNS);
}

function label(level: number): string {
  return `${Number.isInteger(level) || level < 1 ? level : level.toFixed(1)} ms`.padStart(9);
}
