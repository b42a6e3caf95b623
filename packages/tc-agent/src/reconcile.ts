// Owns one pass: observe, diff, apply, observe again; and the way back when the kernel refuses.
import { QosError } from '@qubes-qos/core/errors';
import type { TcConfig } from '@qubes-qos/core/tc-config';
import { buildTree, diffTc } from '@qubes-qos/core/tc/diff';
import { otherSide } from '@qubes-qos/core/tc/handles';
import { isQdiscKind } from '@qubes-qos/core/tc/kinds';
import type { DeviceOps, Observed, QdiscKind } from '@qubes-qos/core/tc/model';
import { renderTc } from '@qubes-qos/core/tc/render';
import { observeNetwork } from '@qubes-qos/host/links';
import { applyTc, observeTc, type TcFailure } from '@qubes-qos/host/tc';
import { planTc, type DevicePlan } from './plan.js';

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

/**
 * Makes every interface what it should be. An interface that vanishes on the way costs the others nothing; one
 * that the kernel refuses gets back what it had.
 * @param missing - kinds of qdisc known to be missing; what is found missing is added.
 */
export async function reconcile(config: TcConfig, missing: Set<QdiscKind>): Promise<PassResult> {
  const network = await observeNetwork();
  const before = await observeTc(namesOf(network.links));
  const observed = new Map(before);
  const changed = new Set<string>();
  let refused = new Map<string, string>();
  // Each round either ends it, or learns of a missing kind, or rebuilds what could not be changed in place.
  for (let round = 1; ; round++) {
    const plans = planTc({ ...network, config, missing }).filter(({ link }) => observed.has(link.ifname));
    const todo = plans
      .map((plan) => nextOps(plan, observed, refused, config))
      .filter(({ ops }) => ops.length > 0);
    const foreign = foreignRoots(plans, observed, config);
    if (todo.length === 0) return { plans, changed: [...changed], problems: foreign, retry: false };
    if (round > MAX_ROUNDS) {
      await restore([...refused.keys()], before, observed);
      const faults = [...refused].map(([ifname, why]) => `${ifname}: ${why}; it has what it had before`);
      return { plans, changed: [...changed], problems: [...foreign, ...faults], retry: true };
    }
    const failures = await applyTc(renderTc(todo));
    learnMissing(failures, missing);
    const names = todo.map(({ ifname }) => ifname);
    const after = await observeTc(names);
    const gone = failures.length > 0 ? await goneOf(names) : [];
    for (const name of names) changed.add(name);
    for (const [name, now] of after) observed.set(name, now);
    for (const name of gone) observed.delete(name);
    refused = stillWrong(names, planTc({ ...network, config, missing }), observed, failures, config);
  }
}

/** One to build, one for each kind that may be missing, and one to rebuild what could not be changed in place. */
const MAX_ROUNDS = 5;

/** Removes every tree of ours. @returns the interfaces that had one. */
export async function cleanUp(): Promise<string[]> {
  const { links } = await observeNetwork();
  const observed = await observeTc(namesOf(links));
  const ours = [...observed].filter(([, { state }]) => state === 'ours').map(([ifname]) => ifname);
  const failures = await applyTc(
    renderTc(ours.map((ifname) => ({ ifname, side: '5', ops: [{ op: 'delete-root' }] }))),
  );
  const left = await observeTc(ours);
  const stuck = [...left].filter(([, { state }]) => state === 'ours').map(([ifname]) => ifname);
  if (stuck.length > 0) {
    const said = failures.find(({ ifname }) => stuck.includes(ifname))?.message ?? 'tc reported no error';
    throw new QosError('command', `cannot remove our qdiscs from ${stuck.join(', ')}: ${said}.`);
  }
  return ours;
}

function namesOf(links: readonly { readonly ifname: string }[]): string[] {
  return links.map(({ ifname }) => ifname).filter((name) => name !== 'lo');
}

/** The ops of one interface in this round: the difference, or a rebuild when the difference was refused. */
function nextOps(
  { link, tree }: DevicePlan,
  observed: ReadonlyMap<string, Observed>,
  refused: ReadonlyMap<string, string>,
  config: TcConfig,
): DeviceOps {
  const now = observed.get(link.ifname) ?? { state: 'default' };
  const difference = diffTc(link.ifname, tree, now, { takeover: config.takeover.value });
  if (difference.ops.length === 0 || !tree || !refused.has(link.ifname) || now.state !== 'ours')
    return difference;
  return buildTree(link.ifname, tree, otherSide(now.side));
}

/** iproute2 passes on the kernel's words for a qdisc without a module (net/sched/sch_api.c). */
const UNKNOWN_KIND = 'Specified qdisc kind is unknown';

function learnMissing(failures: readonly TcFailure[], missing: Set<QdiscKind>): void {
  for (const { command, message } of failures) {
    const kind = /^qdisc replace .* handle \S+ (\S+)/.exec(command)?.[1];
    if (kind !== undefined && isQdiscKind(kind) && message.includes(UNKNOWN_KIND)) missing.add(kind);
  }
}

async function goneOf(names: readonly string[]): Promise<string[]> {
  const { links } = await observeNetwork();
  const present = new Set(namesOf(links));
  return names.filter((name) => !present.has(name));
}

/** Interface -> why it is not what it should be after the script ran. */
function stillWrong(
  names: readonly string[],
  plans: readonly DevicePlan[],
  observed: ReadonlyMap<string, Observed>,
  failures: readonly TcFailure[],
  config: TcConfig,
): Map<string, string> {
  const wrong = new Map<string, string>();
  for (const ifname of names) {
    const now = observed.get(ifname);
    const plan = plans.find(({ link }) => link.ifname === ifname);
    if (!now || !plan) continue;
    const rest = diffTc(ifname, plan.tree, now, { takeover: config.takeover.value });
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

/** Gives interfaces back what they had before: our own earlier tree, or the kernel's default. */
async function restore(
  names: readonly string[],
  before: ReadonlyMap<string, Observed>,
  observed: ReadonlyMap<string, Observed>,
): Promise<void> {
  const ops = names.flatMap((ifname): DeviceOps[] => {
    const had = before.get(ifname);
    const has = observed.get(ifname);
    if (has?.state !== 'ours') return [];
    if (had?.state !== 'ours') return [{ ifname, side: has.side, ops: [{ op: 'delete-root' }] }];
    return [buildTree(ifname, had.tree, otherSide(has.side))];
  });
  await applyTc(renderTc(ops));
}

function foreignRoots(
  plans: readonly DevicePlan[],
  observed: ReadonlyMap<string, Observed>,
  config: TcConfig,
): string[] {
  if (config.takeover.value) return [];
  return plans.flatMap(({ link, tree }) => {
    const root = observed.get(link.ifname);
    if (!tree || root?.state !== 'foreign') return [];
    return [
      `${link.ifname}: its root qdisc ${root.kind} ${root.handle} was set by somebody else and is left alone; to replace it, set takeover = true in /rw/config/qubes-qos/tc.toml`,
    ];
  });
}
