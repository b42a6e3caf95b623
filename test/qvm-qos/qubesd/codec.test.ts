import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { QosError } from '@qubes-qos/core/errors';
import {
  AdminException,
  decodeReply,
  encodeRequest,
  EventDecoder,
  MAX_EVENT_BYTES,
  type AdminEvent,
} from '@qubes-qos/qvm-qos/qubesd/codec';
import { ADMIN_RECORDINGS, recordedBytes } from '../../sim/admin-recording.js';

const STREAMS = ADMIN_RECORDINGS.filter(({ name }) => name.startsWith('events-'));
const SINGLE = ADMIN_RECORDINGS.filter(
  ({ name }) => !name.startsWith('events-') && name !== 'framing-no-eof',
);

const field = fc.stringMatching(/^[ -~]{0,20}$/);
const anyEvent = fc
  .tuple(field, field, fc.array(fc.tuple(fc.stringMatching(/^[ -~]{1,20}$/), field), { maxLength: 5 }))
  .map(([subject, event, pairs]): AdminEvent => ({ subject, event, kwargs: new Map(pairs) }));

describe('decodeReply', () => {
  test.each(SINGLE.map((recording) => [recording.name, recording] as const))(
    'reads the recorded %s',
    (_, recording) => {
      const bytes = recordedBytes(recording, 's2c');
      const [kind, type = '', , message = ''] = bytes.toString('latin1').split('\0');
      if (kind === '') expect(failure(() => decodeReply(bytes))).toMatchObject({ kind: 'refused' });
      else if (kind === '0') expect(decodeReply(bytes)).toBe(bytes.subarray(2).toString('latin1'));
      else {
        const error = failure(() => decodeReply(bytes));
        expect(error).toBeInstanceOf(AdminException);
        expect(error).toMatchObject({ type, message: `qubesd: ${message} (${type}).` });
      }
    },
  );

  test('keeps everything behind the first NUL of an ok', () => {
    expect(decodeReply(Buffer.from('0\0a\0b\n'))).toBe('a\0b\n');
  });

  test('takes fields behind the message, as older versions send them', () => {
    expect(failure(() => decodeReply(Buffer.from('2\0X\0trace\0no %s\0field\0')))).toMatchObject({
      type: 'X',
      message: 'qubesd: no %s (X).',
    });
  });

  test('shows a message on one line and bounded', () => {
    const error = failure(() => decodeReply(Buffer.from(`2\0X\0\0a\n\x1b[31m${'b'.repeat(9999)}\0`)));
    expect(error.message).toMatch(/^qubesd: a\?\?\[31mb+ \(X\)\.$/);
    expect(error.message.length).toBeLessThan(600);
  });

  test.each(['3\0', '0', 'garbage', '2\0Type', '2\0Type\0\0message'])('refuses %j', (text) => {
    expect(failure(() => decodeReply(Buffer.from(text)))).toMatchObject({ kind: 'protocol' });
  });

  test('throws nothing but a QosError, whatever it gets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeReply(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(QosError);
        }
      }),
    );
  });
});

describe('encodeRequest', () => {
  test('writes the recorded bytes', () => {
    const request = { method: 'admin.vm.feature.Set', argument: 'vm-config.dscp', destination: 'work' };
    const recorded = ADMIN_RECORDINGS.find(({ name }) => name === 'feature-set-new')!;
    expect(Buffer.from(encodeRequest({ ...request, payload: 'ef' }))).toEqual(recordedBytes(recorded, 'c2s'));
  });

  test.each([
    { method: 'admin.vm.List', destination: 'a b' },
    { method: 'admin.vm.List', destination: 'a\0b' },
    { method: 'admin.vm.feature.Get', argument: 'x\n', destination: 'work' },
    { method: 'admin.vm.feature.Get', argument: 'é', destination: 'work' },
  ])('refuses a field that would shift the others: %j', (request) => {
    expect(failure(() => encodeRequest(request))).toMatchObject({ kind: 'policy' });
  });

  test('takes 65536 bytes and not one more', () => {
    const request = { method: 'm', destination: 'work' };
    const overhead = encodeRequest(request).length;
    expect(encodeRequest({ ...request, payload: 'x'.repeat(65_536 - overhead) }).length).toBe(65_536);
    expect(
      failure(() => encodeRequest({ ...request, payload: 'x'.repeat(65_537 - overhead) })),
    ).toMatchObject({
      kind: 'policy',
    });
  });
});

describe('EventDecoder', () => {
  test.each(STREAMS.map((recording) => [recording.name, recording] as const))(
    'reads the recorded %s, whatever way it is cut',
    (_, recording) => {
      const bytes = recordedBytes(recording, 's2c');
      const whole = new EventDecoder().push(bytes);
      expect(whole[0]).toEqual({ subject: '', event: 'connection-established', kwargs: new Map() });
      expect(encodeEvents(whole)).toEqual(bytes);
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
          expect(decodeCut(bytes, cuts)).toEqual(whole);
        }),
        { numRuns: 30 },
      );
    },
  );

  test('reads any events, whatever way they are cut', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1 }), fc.array(fc.nat(500)), (events, cuts) => {
        expect(decodeCut(encodeEvents(events), cuts)).toEqual(events);
      }),
    );
  });

  test('an empty value does not end an event', () => {
    const [event] = new EventDecoder().push(Buffer.from('1\0work\0e\0value\0\0oldvalue\0ef\0\0'));
    expect([...(event?.kwargs ?? [])]).toEqual([
      ['value', ''],
      ['oldvalue', 'ef'],
    ]);
  });

  test('the end is clean behind an event, and a fault in its middle or before the first', () => {
    const decoder = new EventDecoder();
    expect(failure(() => decoder.end())).toMatchObject({ kind: 'refused' });
    decoder.push(Buffer.from('1\0\0connection-established\0\0'));
    expect(() => decoder.end()).not.toThrow();
    decoder.push(Buffer.from('1\0wo'));
    expect(failure(() => decoder.end())).toMatchObject({ kind: 'protocol' });
  });

  test('an exception in place of the stream comes out at its end', () => {
    const decoder = new EventDecoder();
    expect(decoder.push(Buffer.from('2\0PermissionDenied\0\0no'))).toEqual([]);
    decoder.push(Buffer.from('\0'));
    expect(failure(() => decoder.end())).toMatchObject({ type: 'PermissionDenied' });
  });

  test('refuses an event that never ends, and garbage', () => {
    const endless = Buffer.from(`1\0${'x'.repeat(MAX_EVENT_BYTES)}`);
    expect(failure(() => new EventDecoder().push(endless))).toMatchObject({ kind: 'protocol' });
    expect(failure(() => new EventDecoder().push(Buffer.from('0\0')))).toMatchObject({ kind: 'protocol' });
  });

  test('throws nothing but a QosError, whatever it gets', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (chunks) => {
        const decoder = new EventDecoder();
        try {
          for (const chunk of chunks) decoder.push(chunk);
          decoder.end();
        } catch (error) {
          expect(error).toBeInstanceOf(QosError);
        }
      }),
    );
  });
});

function failure(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('expected an error');
}

function decodeCut(bytes: Uint8Array, cuts: readonly number[]): AdminEvent[] {
  const decoder = new EventDecoder();
  const bounds = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
  const events = bounds.slice(1).flatMap((end, index) => decoder.push(bytes.subarray(bounds[index], end)));
  decoder.end();
  return events;
}

/** Written apart from the product, from the description of the protocol. */
function encodeEvents(events: readonly AdminEvent[]): Buffer {
  const fields = events.flatMap(({ subject, event, kwargs }) => [
    '1',
    subject,
    event,
    ...[...kwargs].flat(),
    '',
  ]);
  return Buffer.from(fields.map((text) => `${text}\0`).join(''), 'latin1');
}
