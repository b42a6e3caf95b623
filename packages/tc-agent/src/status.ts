// Owns the comparison of what should be with what is, for `status` and `check`.
import { CLASSES } from '@qubes-qos/core/classes';
import type { TcConfig } from '@qubes-qos/core/tc-config';
import type { ObservedDevice, QdiscKind } from '@qubes-qos/core/tc/model';
import { readBandCounters, readLeafCounters } from '@qubes-qos/core/tc/counters';
import { observeNetwork } from '@qubes-qos/host/links';
import { observeCounters, observeTc } from '@qubes-qos/host/tc';
import { deviceOps } from './device-ops.js';
import { planTc, type DevicePlan } from './plan.js';
import { uplinksOf } from './roles.js';

/** Counters of one class on one interface since its tree was built. */
export interface ClassStatus {
  /** One of the five, or a class of a tree of the user's own. */
  readonly class: string;
  readonly packets: number;
  readonly bytes: number;
  readonly drops: number;
  readonly backlog: number;
}

export interface DeviceStatus {
  readonly interface: string;
  readonly role: NonNullable<DevicePlan['role']>;
  /** Scheduler that belongs there. */
  readonly scheduler: string;
  /** Bits per second after which the shaper holds packets back; null without one. */
  readonly rate: number | null;
  /** True when the kernel has exactly that. */
  readonly inForce: boolean;
  readonly notes: readonly string[];
  readonly classes: readonly ClassStatus[];
}

/** What `status --json` prints. */
export interface Status {
  readonly version: 1;
  readonly interfaces: readonly DeviceStatus[];
  readonly problems: readonly string[];
}

/** Compares every interface that has a role. */
export async function readStatus(
  config: TcConfig,
  missing: ReadonlySet<QdiscKind>,
  problems: readonly string[],
): Promise<Status> {
  const network = await observeNetwork();
  const plans = planTc({ ...network, config, missing }).filter(({ role }) => role !== undefined);
  const observed = await observeTc(
    plans.map(({ link }) => link.ifname),
    uplinksOf(network),
  );
  const counters = await observeCounters();
  return {
    version: 1,
    interfaces: plans.flatMap((plan) => deviceStatus(plan, observed.get(plan.link.ifname), counters, config)),
    problems,
  };
}

function deviceStatus(
  { link, role, tree, hooks, scheduler, rate, notes, classes }: DevicePlan,
  observed: ObservedDevice | undefined,
  counters: unknown,
  config: TcConfig,
): DeviceStatus[] {
  if (!role) return [];
  const isForeign = observed?.state === 'foreign' && tree !== undefined;
  const isRight = observed !== undefined && isAsPlanned({ link, tree, hooks }, observed, config);
  return [
    {
      interface: link.ifname,
      role,
      scheduler,
      rate: rate ?? null,
      inForce: isRight && !isForeign,
      notes: isForeign
        ? [...notes, `its root qdisc ${observed.kind} ${observed.handle} is somebody else's`]
        : notes,
      classes: observed?.state === 'ours' ? classStatus(counters, link.ifname, classes) : [],
    },
  ];
}

function isAsPlanned(
  plan: Pick<DevicePlan, 'link' | 'tree' | 'hooks'>,
  observed: ObservedDevice,
  config: TcConfig,
): boolean {
  return deviceOps(plan, observed, config).ops.length === 0;
}

function classStatus(counters: unknown, ifname: string, own: DevicePlan['classes']): ClassStatus[] {
  if (own) {
    const leaves = readLeafCounters(counters, ifname);
    return own.flatMap(({ name, leaf }) => {
      const found = leaf === undefined ? undefined : leaves.get(leaf);
      return found ? [{ class: name, ...found }] : [];
    });
  }
  const bands = readBandCounters(counters, ifname);
  return CLASSES.flatMap(({ name, rank }) => {
    const band = bands.find((one) => one.rank === rank);
    if (!band) return [];
    const { packets, bytes, drops, backlog } = band;
    return [{ class: name, packets, bytes, drops, backlog }];
  });
}
