import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keptEnvironment, readKept, type Kept } from '@qubes-qos/tc-agent/kept';

const anyKept: fc.Arbitrary<Kept> = fc.record({
  told: fc.string(),
  flows: fc.record({ told: fc.string(), settledAt: fc.integer(), doneAt: fc.integer() }),
});

test('what a run leaves is what the next one finds', () => {
  fc.assert(
    fc.property(anyKept, (kept) => {
      expect(readKept(keptEnvironment(kept))).toEqual(kept);
    }),
  );
});

test('a start by systemd finds nothing: all is told, and connections are looked at at once', () => {
  const { told, flows } = readKept({});
  expect(told).toBe('');
  expect(flows.doneAt).toBeLessThan(-60_000);
});

test.each(['', 'x', 'null', '7', '{"told":"a"}', '{"flows":{"doneAt":5}}'])(
  'what another version left does not end the agent: %s',
  (text) => {
    const kept = readKept({ QUBES_QOS_TC_KEPT: text });
    expect(typeof kept.told).toBe('string');
    expect(typeof kept.flows.told).toBe('string');
    expect(typeof kept.flows.doneAt).toBe('number');
  },
);
