import { describe, expect, test } from 'vitest';
import { inRounds, rememberingOthers } from '@qubes-qos/qvm-qos/qubesd/asked-once';
import type { AdminRequest } from '@qubes-qos/qvm-qos/qubesd/codec';

const GET: AdminRequest = { method: 'admin.vm.feature.Get', argument: 'x', destination: 'work' };
const LIST: AdminRequest = { method: 'admin.vm.feature.List', destination: 'work' };
const TAGS: AdminRequest = { method: 'admin.vm.tag.List', destination: 'work' };

/** A qubesd whose answers are numbered, which fails where it is told to. */
function counting() {
  const sent: string[] = [];
  const failing = new Set<string>();
  const call = ({ method, destination }: AdminRequest): Promise<string> => {
    sent.push(`${method} ${destination}`);
    return failing.has(method) ? Promise.reject(new Error(method)) : Promise.resolve(String(sent.length));
  };
  return { sent, failing, call };
}

describe('rememberingOthers', () => {
  test('asks for tags and properties of a qube once, also while the first answer is on its way', async () => {
    const { sent, call } = counting();
    const remembering = rememberingOthers(call);
    expect(await Promise.all([remembering(TAGS), remembering(TAGS)])).toEqual(['1', '1']);
    await remembering({ ...TAGS, destination: 'mail' });
    expect(sent).toEqual(['admin.vm.tag.List work', 'admin.vm.tag.List mail']);
  });

  test('asks for features and writes them each time: a command of ours changes them', async () => {
    const { sent, call } = counting();
    const remembering = rememberingOthers(call);
    const set = { ...GET, method: 'admin.vm.feature.Set', payload: 'ef' };
    for (const request of [GET, LIST, set, GET, LIST, set]) await remembering(request);
    expect(sent).toHaveLength(6);
  });

  test('a failure is not remembered', async () => {
    const { failing, call } = counting();
    const remembering = rememberingOthers(call);
    failing.add(TAGS.method);
    await expect(remembering(TAGS)).rejects.toThrow();
    failing.clear();
    expect(await remembering(TAGS)).toBe('2');
  });
});

describe('inRounds', () => {
  test('a round begins with what the one before asked, and its answers are newer than its beginning', async () => {
    const { sent, call } = counting();
    const nextRound = inRounds(call);
    const first = nextRound();
    expect([await first(LIST), await first(GET), await first(LIST)]).toEqual(['1', '2', '1']);
    const second = nextRound();
    expect(sent).toHaveLength(4);
    expect([await second(GET), await second(TAGS)]).toEqual(['4', '5']);
    const third = nextRound();
    expect(await third(GET)).toBe('6');
    expect(sent.slice(5)).toEqual(['admin.vm.feature.Get work', 'admin.vm.tag.List work']);
  });

  test('what failed and is no longer asked for is nobody’s; what is asked for fails', async () => {
    const { failing, call } = counting();
    const nextRound = inRounds(call);
    await nextRound()(GET);
    failing.add(GET.method);
    const second = nextRound();
    expect(await second(LIST)).toBe('3');
    await expect(second(GET)).rejects.toThrow('feature.Get');
  });
});
