// Owns the admission of EF: as a whole it gets at most its rate, and inside it the clients share evenly, however many
// flows one opens. What is above waits here, in order, flows apart.
import { EF_SLOTS, efHandles } from '@qubes-qos/core/tc/handles';
import {
  IP_FAMILIES,
  type Handle,
  type HtbClass,
  type Qdisc,
  type QdiscOptions,
} from '@qubes-qos/core/tc/model';
import type { Entrance, Sorter } from '@qubes-qos/core/tc/sorters';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import { burstBytes, frameBytes, type EfInput, type TreeInput } from './scheduler.js';

/**
 * A class that is to borrow all it sends must still have a rate. What it sends below its own rate is sent without asking the
 * parent, so this is as small as can be, a frame in two and a half minutes: the call behind such a frame waits for two. HTB
 * counts how long a burst takes at this rate in 32 bits of 64 ns.
 */
export const BORROWS = bitsPerSecond(80);

/** What a leaf below a client's own class is built for: there is no other host to share with. */
export function ofOneHost(input: TreeInput): TreeInput {
  return { ...input, hosts: undefined };
}

/** Minor of the class of slot 0. */
const FIRST_MINOR = 0x20;
/**
 * Bytes a turn of all but TCP, and of TCP. TCP gets an eighth while calls want the rest: a fair half would be too little for
 * the video of 3.1 Mbit/s that shares 4.75 with an upload of the same qube. Less than a frame a turn (256 is the least that
 * the kernel takes), so that TCP, which always has something to send, never has a second frame in front of a call's packet.
 */
const PART_QUANTA = [1792, 256];

/** What hangs below the class of EF. */
export interface EfQueues {
  readonly classes: readonly HtbClass[];
  readonly qdiscs: readonly Qdisc[];
  readonly sorters: readonly Sorter[];
}

/** Minor of the class for EF that came in by no client's interface. */
export const EF_DEFAULT = FIRST_MINOR;

/**
 * The queues of EF, one for each of the first clients and one for all else.
 * @param inner - the class of EF as a whole: its children borrow from it.
 * @param sortsAt - where the filters stand: the class itself, or the HTB that has no other.
 */
export function efQueues(
  inner: Handle,
  sortsAt: Handle,
  ef: EfInput,
  leaf: QdiscOptions,
  input: TreeInput,
): EfQueues {
  const slots = slotsOf(ef.clients);
  const classid = (slot: number): Handle =>
    `${inner.replace(/:.*/, '')}:${(FIRST_MINOR + slot).toString(16)}`;
  const used = [0, ...slots.keys()].sort((a, b) => a - b);
  const burst = burstBytes(BORROWS, input);
  return {
    classes: used.map((slot) => ({
      ...{ classid: classid(slot), parent: inner, rate: BORROWS, ceil: ef.rate },
      ...{ burst, cburst: burstBytes(ef.rate, input), quantum: frameBytes(input), prio: 0 },
    })),
    qdiscs: used.flatMap((slot) => slotQdiscs(slot, classid(slot), leaf)),
    sorters: [
      ...[...slots].map(([slot, from]): Sorter => ({
        sort: 'from',
        parent: sortsAt,
        flowid: classid(slot),
        from,
      })),
      { sort: 'rest', parent: sortsAt, flowid: classid(0) },
      ...used.flatMap((slot) => tcpSorters(efHandles(slot).parts)),
    ],
  };
}

function slotQdiscs(slot: number, classid: Handle, leaf: QdiscOptions): Qdisc[] {
  const { parts, tcp, other } = efHandles(slot);
  return [
    {
      handle: parts,
      parent: classid,
      options: {
        ...{ kind: 'ets', bands: 2, strict: 0, quanta: PART_QUANTA },
        priomap: Array.from({ length: 16 }, () => 0),
      },
    },
    { handle: other, parent: `${parts}1`, options: leaf },
    { handle: tcp, parent: `${parts}2`, options: leaf },
  ];
}

function tcpSorters(parts: Handle): Sorter[] {
  return IP_FAMILIES.map((family) => ({ sort: 'tcp', parent: parts, flowid: `${parts}2`, family }));
}

/**
 * Slot -> client. A client keeps its slot while others come and go, unless as many as there are slots lie between two
 * interface numbers.
 */
function slotsOf(clients: readonly Entrance[]): Map<number, Entrance> {
  const count = EF_SLOTS - 1;
  const slots = new Map<number, Entrance>();
  for (const client of clients.slice(0, count)) {
    let slot = client.ifindex % count;
    while (slots.has(slot + 1)) slot = (slot + 1) % count;
    slots.set(slot + 1, client);
  }
  return new Map([...slots].sort(([a], [b]) => a - b));
}
