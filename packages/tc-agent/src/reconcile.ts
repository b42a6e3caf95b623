// Owns one pass: observe, diff, apply, observe again; and the way back when the kernel refuses.
import { messageOf } from '@qubes-qos/core/errors';
import type { TcConfig } from '@qubes-qos/core/tc-config';
import { buildTree } from '@qubes-qos/core/tc/diff';
import { otherSide } from '@qubes-qos/core/tc/handles';
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import { isQdiscKind } from '@qubes-qos/core/tc/kinds';
import type { DeviceOps, ObservedDevice, QdiscKind } from '@qubes-qos/core/tc/model';
import { renderTc } from '@qubes-qos/core/tc/render';
import { addIfbs, deleteIfbs, setUpIfbs } from '@qubes-qos/host/ifb';
import { observeNetwork, type Network } from '@qubes-qos/host/links';
import { convergeTable } from '@qubes-qos/host/nft';
import { applyTc, observeTc, type TcFailure } from '@qubes-qos/host/tc';
import { BARE, deviceOps, rebuildOps } from './device-ops.js';
import { isOurIfb } from './download.js';
import { keepNewVifs } from './new-vif.js';
import { planTc, type DevicePlan, type PlanInput } from './plan.js';
import { clientsOf, interfaceNames, isClient, uplinksOf } from './roles.js';
import { TC_TABLE, tcTable } from './tables.js';

/** What a pass did and found. */
export interface PassResult {
  readonly plans: readonly DevicePlan[];
  /** Interfaces that were changed. */
  readonly changed: readonly string[];
  /** One sentence for each interface that does not have what it should. */
  readonly problems: readonly string[];
  /** True when a problem may be gone at another try. */
  readonly retry: boolean;
}

type Seen = Map<string, ObservedDevice>;

/**
 * Makes every interface what it should be. An interface that vanishes on the way costs the others nothing; one
 * that the kernel refuses gets back what it had.
 * @param missing - kinds of qdisc known to be missing; what is found missing is added.
 */
export async function reconcile(config: TcConfig, missing: Set<QdiscKind>): Promise<PassResult> {
  // A vif that comes while this pass runs is believed nothing either.
  const newVifs = await attempt(keepNewVifs(config.enforce));
  const network = await observeNetwork();
  const observed: Seen = new Map(await observeTc(interfaceNames(network.links), uplinksOf(network)));
  const ifbs = await makeIfbs({ ...network, config, missing }, observed);
  const input = { ...network, config, missing, withoutIfb: ifbs.problems.length > 0 };
  const result = await converge(input, missing, observed);
  // Packets are redirected to an ifb until here.
  const left = await attempt(removeIfbs(network, result.plans));
  const table = await attempt(makeTable(result.plans, observed, config));
  const faults = [...ifbs.problems, ...left, ...table, ...newVifs];
  return {
    plans: result.plans,
    changed: [...ifbs.made, ...result.changed],
    problems: [...result.problems, ...faults],
    retry: result.retry || faults.length > 0,
  };
}

/** Makes the ifbs that are planned and not there, and sets up those that something has set down. */
async function makeIfbs(
  input: PlanInput,
  observed: Seen,
): Promise<{ readonly made: readonly string[]; readonly problems: readonly string[] }> {
  const planned = planTc(input).flatMap(({ role, link }) => (role === 'download' ? [link] : []));
  const absent = planned.filter(({ ifindex }) => ifindex === 0).map(({ ifname }) => ifname);
  const down = planned.filter(({ ifindex, up }) => ifindex !== 0 && !up).map(({ ifname }) => ifname);
  try {
    await addIfbs(absent);
    await setUpIfbs(down);
  } catch (error) {
    return { made: [], problems: [`what comes in cannot be shaped: ${messageOf(error)}`] };
  }
  for (const name of absent) observed.set(name, BARE);
  return { made: absent, problems: [] };
}

async function removeIfbs({ links }: Network, plans: readonly DevicePlan[]): Promise<void> {
  const planned = new Set(plans.map(({ link }) => link.ifname));
  await deleteIfbs(
    links.filter((link) => isOurIfb(link) && !planned.has(link.ifname)).map(({ ifname }) => ifname),
  );
}

async function makeTable(plans: readonly DevicePlan[], observed: Seen, config: TcConfig): Promise<void> {
  const table = tcTable({
    remembers: plans.some(({ role }) => role === 'download'),
    enforced: config.enforce ? enforcedVifs(plans, observed) : undefined,
  });
  await convergeTable(TC_TABLE, table);
}

/** Those that have all their filters. */
function enforcedVifs(plans: readonly DevicePlan[], observed: Seen): string[] {
  return plans
    .filter(({ role, link, hooks }) => {
      const now = observed.get(link.ifname);
      return role === 'client' && now !== undefined && diffHooks(hooks, now.hooks).length === 0;
    })
    .map(({ link }) => link.ifname);
}

async function attempt(action: Promise<void>): Promise<string[]> {
  try {
    await action;
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

async function converge(planned: PlanInput, missing: Set<QdiscKind>, observed: Seen): Promise<PassResult> {
  const { config } = planned;
  const uplinks = uplinksOf(planned);
  let input = planned;
  const had = new Map(observed);
  const changed = new Set<string>();
  let refused = new Map<string, string>();
  // Each round either ends it, or learns of a missing kind, or rebuilds what could not be changed in place.
  for (let round = 1; ; round++) {
    const plans = planTc(input).filter(({ link }) => observed.has(link.ifname));
    const todo = plans
      .map((plan) => nextOps(plan, observed, refused, config))
      .filter(({ ops }) => ops.length > 0);
    const foreign = foreignRoots(plans, observed, config);
    if (todo.length === 0) return { plans, changed: [...changed], problems: foreign, retry: false };
    if (round > MAX_ROUNDS) {
      await restore([...refused.keys()], had, observed, clientsOf(input.links));
      const faults = [...refused].map(([ifname, why]) => `${ifname}: ${why}; it has what it had before`);
      return { plans, changed: [...changed], problems: [...foreign, ...faults], retry: true };
    }
    const failures = await applyTc(renderTc(todo));
    learnMissing(failures, missing);
    const names = todo.map(({ ifname }) => ifname);
    const after = await observeTc(names, uplinks);
    for (const name of names) changed.add(name);
    for (const [name, now] of after) observed.set(name, now);
    refused = stillWrong(names, plans, observed, failures, config);
    if (failures.length === 0 && refused.size === 0) continue;
    const before = input.links.filter(isClient);
    // A vif that vanished is part of the uplink's tree too.
    input = { ...input, ...(await observeNetwork()) };
    const present = new Set(interfaceNames(input.links));
    for (const name of names.filter((one) => !present.has(one))) observed.delete(name);
    // What was refused because a vif is gone can be changed in place still. One that came back by its name is another.
    const isOutdated = before.some(({ ifindex }) => !input.links.some((link) => link.ifindex === ifindex));
    refused = isOutdated
      ? new Map<string, string>()
      : stillWrong(names, planTc(input), observed, failures, config);
  }
}

/** One to build, one for each kind that may be missing, and one to rebuild what could not be changed in place. */
const MAX_ROUNDS = 5;

/** The ops of one interface in this round: the difference, or a rebuild when the difference was refused. */
function nextOps(
  plan: DevicePlan,
  observed: Seen,
  refused: ReadonlyMap<string, string>,
  config: TcConfig,
): DeviceOps {
  const { ifname } = plan.link;
  const now = observed.get(ifname) ?? BARE;
  return refused.has(ifname) ? rebuildOps(plan, now, config) : deviceOps(plan, now, config);
}

/** iproute2 passes on the kernel's words for a qdisc without a module (net/sched/sch_api.c). */
const UNKNOWN_KIND = 'Specified qdisc kind is unknown';

function learnMissing(failures: readonly TcFailure[], missing: Set<QdiscKind>): void {
  for (const { command, message } of failures) {
    const kind = /^qdisc replace .* handle \S+ (\S+)/.exec(command)?.[1];
    if (kind !== undefined && isQdiscKind(kind) && message.includes(UNKNOWN_KIND)) missing.add(kind);
  }
}

/** Interface -> why it is not what it should be after the script ran. */
function stillWrong(
  names: readonly string[],
  plans: readonly DevicePlan[],
  observed: Seen,
  failures: readonly TcFailure[],
  config: TcConfig,
): Map<string, string> {
  const wrong = new Map<string, string>();
  for (const ifname of names) {
    const now = observed.get(ifname);
    const plan = plans.find(({ link }) => link.ifname === ifname);
    if (!now || !plan) continue;
    const rest = deviceOps(plan, now, config);
    if (rest.ops.length === 0) continue;
    const failure = failures.find((one) => one.ifname === ifname);
    wrong.set(
      ifname,
      failure
        ? `tc refused "${failure.command}": ${failure.message}`
        : `tc reported success, yet ${rest.ops.length} parts of the tree read back otherwise`,
    );
  }
  return wrong;
}

/**
 * Gives interfaces back what they had before: our own earlier tree, or the kernel's default. What dom0 says of a client's
 * packets holds whatever becomes of its queue: only what leads them into one goes.
 */
async function restore(
  names: readonly string[],
  before: ReadonlyMap<string, ObservedDevice>,
  observed: ReadonlyMap<string, ObservedDevice>,
  clients: ReadonlySet<string>,
): Promise<void> {
  const ops = names.flatMap((ifname): DeviceOps[] => {
    const had = before.get(ifname);
    const has = observed.get(ifname);
    if (!has) return [];
    // What a filter was told cannot be read back: those that are new go, and packets take the plain way.
    const known = new Set(had?.hooks.ours.map(({ mark }) => mark));
    const added = has.hooks.ours
      .filter(({ mark }) => !known.has(mark))
      .filter(({ to }) => to !== undefined || !clients.has(ifname));
    const unhook = diffHooks([], { ...has.hooks, ours: added, others: has.hooks.others + 1 });
    if (has.state !== 'ours') return [{ ifname, side: '5', ops: unhook }];
    if (had?.state !== 'ours') return [{ ifname, side: has.side, ops: [...unhook, { op: 'delete-root' }] }];
    const root = buildTree(ifname, had.tree, otherSide(has.side));
    return [{ ...root, ops: [...unhook, ...root.ops] }];
  });
  await applyTc(renderTc(ops));
}

function foreignRoots(plans: readonly DevicePlan[], observed: Seen, config: TcConfig): string[] {
  if (config.takeover.value) return [];
  return plans.flatMap(({ link, tree }) => {
    const root = observed.get(link.ifname);
    if (!tree || root?.state !== 'foreign') return [];
    return [
      `${link.ifname}: its root qdisc ${root.kind} ${root.handle} was set by somebody else and is left alone; to replace it, set takeover = true in /rw/config/qubes-qos/tc.toml`,
    ];
  });
}
