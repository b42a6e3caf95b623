// What the demonstration prints, from figures of a recorded run.
import { expect, test } from 'vitest';
import type { DemoRecord } from './guest/demo.js';
import type { Row } from './guest/measure.js';
import { renderTable } from './host/demo-table.js';
import { renderTimeline } from './host/demo-timeline.js';

const EMPTY: Row = {
  ...{ p50: 0, p99: 0, max: 0, loss: 0, personal: 0, untrusted: 0 },
  ...{ bands: [], forwardHook: 0, received: 0 },
};
const WITHOUT: Row = {
  ...EMPTY,
  p50: 482.62,
  p99: 495.59,
  max: 498.8,
  loss: 0.372,
  personal: 5.7,
  untrusted: 3.98,
};
const WITH: Row = {
  ...EMPTY,
  p50: 0.83,
  p99: 1.451,
  max: 1.454,
  personal: 6.79,
  untrusted: 2.27,
  bands: [1, 2, 3, 4, 5],
};

const ROWS = (['ip', 'ip6'] as const).flatMap((family) => [
  { kind: 'row' as const, state: 'idle' as const, family, row: { ...EMPTY, p50: 0.212 } },
  { kind: 'row' as const, state: 'without' as const, family, row: WITHOUT },
  { kind: 'row' as const, state: 'with' as const, family, row: WITH },
]);

test('the table sets what was measured beside the floor, which is an idle line and one full frame', () => {
  const lines = renderTable(ROWS).split('\n');
  const start = lines.findIndex((line) => line.startsWith('IPv4'));
  expect(lines.slice(start, start + 3)).toEqual([
    'IPv4  without us                482.62   495.59   498.80  37.2 %      5.70       3.98',
    '      after qvm-qos set work ef     0.83     1.45     1.45   0.0 %      6.79       2.27',
    '      physical floor              0.21              1.49   (idle; one full frame ahead)',
  ]);
  expect(lines).toContain(
    'Bytes that each band of sys-net sent in that call (IPv4): ef 1, cs5 2, cs0 3, cs2 4, cs1 5',
  );
});

test('a row that the guest did not report is an error, not an empty line', () => {
  expect(() => renderTable(ROWS.slice(1))).toThrow('did not report all rows for IPv4');
});

test('the plot shows delay, loss and the moment of a command at their places', () => {
  const live: Extract<DemoRecord, { kind: 'live' }> = {
    kind: 'live',
    seconds: 2,
    // The first second waits 400 ms and loses each second packet, the other second waits 1.2 ms.
    probes: Array.from({ length: 100 }, (_, number) => ({ number, addedMs: number < 50 ? 400 : 1.2 })).filter(
      ({ number }) => number >= 50 || number % 2 === 0,
    ),
    typed: [{ text: 'qvm-qos set work ef', atS: 1, printed: '' }],
  };
  const lines = renderTimeline(live).split('\n');
  const plotOf = (label: string) => lines.find((line) => line.trimStart().startsWith(label))?.split('|')[1];
  expect(plotOf('316 ms')).toMatch(/^[o ]{1,40}$/);
  expect(plotOf('1 ms')).toBe(`${' '.repeat(40)}${'o'.repeat(40)}`);
  expect(plotOf('lost')).toMatch(/^[x ]{38,40}$/);
  expect(lines).toContain(`${' '.repeat(51)}^ qvm-qos set work ef`);
});
