// Owns what a user should hear after setting a class: where it has no effect, or one that was not meant.
import { messageOf } from '@qubes-qos/core/errors';
import { VM_CONFIG } from '@qubes-qos/core/vm-config';
import { inParallel } from './in-parallel.js';
import {
  getNetvm,
  getVmConfig,
  listTags,
  providesNetwork,
  type AdminCall,
  type ListedQube,
} from './qubesd/admin.js';

/** One line each; a warning is about something that the user may not want. */
export interface Advice {
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** Tags that Whonix gives its qubes (qubes-mgmt-salt-dom0-virtual-machines, anon-whonix and sys-whonix). */
const TOR_TAGS = ['anon-vm', 'anon-gateway'];

/** The end of a chain of netvms, or what keeps it from being known. */
interface Line {
  readonly qube: string;
  /** The NetVM with the line; undefined for a qube without network. */
  readonly netvm: string | undefined;
}

/** Looks at the qubes whose class was set. What cannot be read becomes a note: the class is set all the same. */
export async function adviseOnClass(call: AdminCall, qubes: readonly ListedQube[]): Promise<Advice> {
  const warnings: string[] = [];
  const notes: string[] = [];
  const templates = qubes.filter(({ klass }) => klass === 'TemplateVM');
  if (templates.length > 0) {
    warnings.push(
      `${namesOf(templates)}: nothing inherits the class of a template; set it on the qubes based on it.`,
    );
  }
  const halted = qubes.filter(({ state }) => state === 'Halted');
  if (halted.length > 0) notes.push(`${namesOf(halted)}: halted; it takes effect at the next start.`);
  try {
    warnings.push(...(await adviseOnTor(call, qubes)));
    notes.push(
      ...(await adviseOnLines(
        call,
        qubes.filter(({ klass }) => klass !== 'TemplateVM'),
      )),
    );
  } catch (error) {
    notes.push(`whether it has an effect on delay is not known: ${messageOf(error)}`);
  }
  return { warnings, notes };
}

async function adviseOnTor(call: AdminCall, qubes: readonly ListedQube[]): Promise<string[]> {
  const tagged = await inParallel(qubes, async (qube) => {
    const tags = await listTags(call, qube.name);
    return tags.some((tag) => TOR_TAGS.includes(tag)) ? [qube] : [];
  });
  const tor = tagged.flat();
  if (tor.length === 0) return [];
  return [
    `${namesOf(tor)}: used for Tor; a class makes its packets recognisable on their way (fingerprinting). To undo: qvm-qos unset ${tor.map(({ name }) => name).join(' ')}`,
  ];
}

async function adviseOnLines(call: AdminCall, qubes: readonly ListedQube[]): Promise<string[]> {
  const lines = await findLines(call, qubes);
  const offline = lines.filter(({ netvm }) => netvm === undefined);
  const netvms = [...new Set(lines.flatMap(({ netvm }) => netvm ?? []))];
  const onRates = await inParallel(netvms, (netvm) => adviseOnRate(call, netvm));
  const notes = onRates.flat();
  if (offline.length > 0) {
    notes.push(`${offline.map(({ qube }) => qube).join(', ')}: no netvm; it takes effect when there is one.`);
  }
  return notes;
}

/** Follows the netvms of each qube to the last; every qube on the way is asked once. */
async function findLines(call: AdminCall, qubes: readonly ListedQube[]): Promise<Line[]> {
  const netvms = new Map<string, Promise<string | undefined>>();
  const netvmOf = (name: string): Promise<string | undefined> => {
    const known = netvms.get(name) ?? getNetvm(call, name);
    netvms.set(name, known);
    return known;
  };
  return inParallel(qubes, async ({ name }) => {
    const chain = [name];
    for (
      let next = await netvmOf(name);
      next !== undefined && !chain.includes(next);
      next = await netvmOf(next)
    ) {
      chain.push(next);
    }
    const isOnline = chain.length > 1 || (await providesNetwork(call, name));
    return { qube: name, netvm: isOnline ? chain.at(-1) : undefined };
  });
}

async function adviseOnRate(call: AdminCall, netvm: string): Promise<string[]> {
  const advice = `without a rate for its line there is no effect on delay; type: qvm-qos uplink ${netvm} --up RATE --down RATE`;
  const value = await getVmConfig(call, netvm, VM_CONFIG.uplink);
  if (value === undefined) return [`${netvm}: ${advice}`];
  // Only now: the parser of this value is a third of the program's start-up time.
  const { parseUplinkPolicy } = await import('@qubes-qos/core/uplink-policy');
  try {
    const { up = 'off' } = parseUplinkPolicy(value).policy;
    return up === 'off' ? [`${netvm}: ${advice}`] : [];
  } catch (error) {
    return [`${netvm}: vm-config.${VM_CONFIG.uplink} cannot be used (${messageOf(error)}); ${advice}`];
  }
}

function namesOf(qubes: readonly ListedQube[]): string {
  return qubes.map(({ name }) => name).join(', ');
}
