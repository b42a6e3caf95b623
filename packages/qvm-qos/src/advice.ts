// Owns what a user should hear after setting a class: where it has no effect, or one that was not meant.
import { messageOf } from '@qubes-qos/core/errors';
import { FEATURE } from './feature-names.js';
import { inParallel } from './in-parallel.js';
import { AT_NEXT_START, WITH_NETVM } from './later.js';
import {
  getNetworkProperties,
  listTags,
  type AdminCall,
  type ListedQube,
  type NetworkProperties,
} from './qubesd/admin.js';
import { getFeature } from './qubesd/features.js';

/** One line each; a warning is about something that the user may not want. */
export interface Advice {
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** What matters of a qube for the effect of its class. */
export interface Surroundings {
  readonly qube: ListedQube;
  readonly isTor: boolean;
  /** The NetVM at the end of its chain of netvms; undefined for a qube without network. */
  readonly line: string | undefined;
  /** What to say about the rate of that NetVM's line; undefined when it has one. */
  readonly rateNote: string | undefined;
  /** Why the above is not known. */
  readonly unknown: string | undefined;
}

/** Tags that Whonix gives its qubes (qubes-mgmt-salt-dom0-virtual-machines, anon-whonix and sys-whonix). */
const TOR_TAGS = ['anon-vm', 'anon-gateway'];

/**
 * Looks around each qube; every NetVM on the way is asked once. Never fails, because the class is set all the same:
 * what cannot be read is said to be unknown.
 */
export async function lookAround(call: AdminCall, qubes: readonly ListedQube[]): Promise<Surroundings[]> {
  const networkOf = once((name) => getNetworkProperties(call, name));
  const rateNoteOf = once((netvm) => noteOnRate(call, netvm));
  return inParallel(qubes, async (qube) => {
    try {
      const [tags, line] = await Promise.all([listTags(call, qube.name), findLine(qube, networkOf)]);
      const isTor = tags.some((tag) => TOR_TAGS.includes(tag));
      const rateNote = line === undefined ? undefined : await rateNoteOf(line);
      return { qube, isTor, line, rateNote, unknown: undefined };
    } catch (error) {
      return { qube, isTor: false, line: undefined, rateNote: undefined, unknown: messageOf(error) };
    }
  });
}

/** What was given to the qubes, and the command that takes it from them again. */
interface Given {
  readonly what: 'the class' | 'the rules';
  readonly undo: (names: readonly string[]) => string;
}

const A_CLASS: Given = { what: 'the class', undo: (names) => `qvm-qos unset ${names.join(' ')}` };

/** The lines to print; qubes that share a reason share a line. */
export function adviseOnClass(around: readonly Surroundings[], { what, undo }: Given = A_CLASS): Advice {
  const online = around.filter(({ qube }) => qube.klass !== 'TemplateVM');
  const unknown = around.filter((one) => one.unknown !== undefined);
  return {
    warnings: [
      ...sayOf(
        around.filter((one) => !online.includes(one)),
        () =>
          `nothing inherits ${what} of a template; set ${what === 'the rules' ? 'them' : 'it'} on the qubes based on it.`,
      ),
      ...sayOf(
        around.filter(({ isTor }) => isTor),
        (names) =>
          `used for Tor; a class makes its packets recognisable on their way (fingerprinting). To undo: ${undo(names)}`,
      ),
    ],
    notes: [
      ...sayOf(
        around.filter(({ qube }) => qube.state === 'Halted'),
        () => AT_NEXT_START,
      ),
      ...new Set(online.flatMap(({ rateNote }) => rateNote ?? [])),
      ...sayOf(
        online.filter((one) => one.line === undefined && !unknown.includes(one)),
        () => WITH_NETVM,
      ),
      ...sayOf(unknown, () => `whether it has an effect on delay is not known: ${unknown[0]?.unknown ?? ''}`),
    ],
  };
}

function sayOf(around: readonly Surroundings[], text: (names: readonly string[]) => string): string[] {
  const names = around.map(({ qube }) => qube.name);
  return names.length === 0 ? [] : [`${names.join(', ')}: ${text(names)}`];
}

/** Follows the netvms to the last; a qube that provides network without having a netvm is its own line. */
async function findLine(
  { name }: ListedQube,
  networkOf: (name: string) => Promise<NetworkProperties>,
): Promise<string | undefined> {
  const chain = [name];
  const { netvm, providesNetwork } = await networkOf(name);
  for (let next = netvm; next !== undefined && !chain.includes(next);) {
    chain.push(next);
    ({ netvm: next } = await networkOf(next));
  }
  return chain.length > 1 || providesNetwork ? chain.at(-1) : undefined;
}

async function noteOnRate(call: AdminCall, netvm: string): Promise<string | undefined> {
  const advice = `without a rate for its line there is no effect on delay; type: qvm-qos uplink ${netvm} --up RATE --down RATE`;
  const value = await getFeature(call, netvm, FEATURE.uplink);
  if (value === undefined) return `${netvm}: ${advice}`;
  // Only now: what this loads takes longer than the request.
  const { parseUplinkPolicy } = await import('@qubes-qos/core/uplink-policy');
  try {
    const { up } = parseUplinkPolicy(value).policy;
    if (typeof up === 'number') return undefined;
    return up === 'auto' ? `${netvm}: up=auto measures nothing yet; ${advice}` : `${netvm}: ${advice}`;
  } catch (error) {
    return `${netvm}: ${FEATURE.uplink} cannot be used (${messageOf(error)}); ${advice}`;
  }
}

function once<Result>(ask: (name: string) => Promise<Result>): (name: string) => Promise<Result> {
  const asked = new Map<string, Promise<Result>>();
  return (name) => {
    const known = asked.get(name) ?? ask(name);
    asked.set(name, known);
    return known;
  };
}
