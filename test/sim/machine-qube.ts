// Owns how a described qube becomes a live one.
import { randomUUID } from 'node:crypto';
import type { Qube, QubeDescription } from './machine-types.js';

/** A qube in the state it is described in; `index` gives it a qid and a domain number when it has none. */
export function newQube(description: QubeDescription, index: number): Qube {
  const kind = description.class ?? 'AppVM';
  const running = description.running === true || kind === 'AdminVM' || kind === 'RemoteVM';
  return {
    name: description.name,
    class: kind,
    qid: description.qid ?? index,
    uuid: kind === 'AdminVM' ? '00000000-0000-0000-0000-000000000000' : randomUUID(),
    ip: description.ip ?? '',
    ip6: description.ip6 ?? '',
    template: description.template ?? null,
    providesNetwork: description.providesNetwork,
    tags: new Set(description.tags),
    features: new Map(Object.entries(description.features ?? {})),
    label: description.label ?? (kind === 'AdminVM' ? 'black' : 'red'),
    netvm: description.netvm,
    state: running ? 'Running' : 'Halted',
    xid: runningXid(kind, running, description.xid ?? index),
    qubesdb: undefined,
  };
}

function runningXid(kind: string, running: boolean, xid: number): number {
  if (kind === 'AdminVM') return 0;
  return running ? xid : -1;
}
