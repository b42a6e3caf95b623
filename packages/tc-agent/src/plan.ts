// Owns the decision what belongs on each interface: network and settings -> desired. Pure.
import type { DefaultRoute, Link } from '@qubes-qos/core/links';
import { bitsPerSecond, formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import { settingsOf, type TcConfig } from '@qubes-qos/core/tc-config';
import type { QdiscKind, Tree } from '@qubes-qos/core/tc/model';
import type { LineRate } from '@qubes-qos/core/uplink-policy';
import { rolesOf, type Role } from './roles.js';
import { chooseScheduler } from './schedulers/choose.js';

/** What belongs on one interface. */
export interface DevicePlan {
  readonly link: Link;
  /** undefined: the interface is none of ours, and a tree of ours on it is a left-over. */
  readonly role: Role | undefined;
  readonly tree: Tree | undefined;
  /** Name of the scheduler, or `none`. */
  readonly scheduler: string;
  /** What the shaper lets through; undefined without one. */
  readonly rate: BitsPerSecond | undefined;
  /** Why it is this tree and not another, one clause each. */
  readonly notes: readonly string[];
}

/** What the planner looks at. */
export interface PlanInput {
  readonly links: readonly Link[];
  readonly defaultRoutes: readonly DefaultRoute[];
  readonly config: TcConfig;
  /** Kinds of qdisc that this kernel turned out not to have. */
  readonly missing: ReadonlySet<QdiscKind>;
}

/** The plan for every interface but the loopback. */
export function planTc(input: PlanInput): DevicePlan[] {
  const roles = rolesOf(input.links, input.defaultRoutes);
  return input.links
    .filter(({ ifname }) => ifname !== 'lo')
    .map((link) => {
      const role = roles.get(link.ifname);
      return role
        ? planDevice(link, role, input)
        : { link, role, tree: undefined, scheduler: 'none', rate: undefined, notes: [] };
    });
}

function planDevice(link: Link, role: Role, { config, missing }: PlanInput): DevicePlan {
  const { up, use } = settingsOf(config, link.ifname);
  const wanted = role === 'line' ? shapedRate(up, use ?? 100) : undefined;
  const notes = role === 'line' ? rateNotes(up, wanted, use ?? 100) : [];
  const choice = chooseScheduler(wanted !== undefined, missing);
  if (!choice) {
    const why = `this kernel lacks ${[...missing].join(', ')}: the interface keeps its own queue`;
    return { link, role, tree: undefined, scheduler: 'none', rate: undefined, notes: [...notes, why] };
  }
  const { scheduler, lacking } = choice;
  const rate = scheduler.shapes ? wanted : undefined;
  return {
    link,
    role,
    tree: scheduler.build({ rate, mtu: link.mtu }),
    scheduler: scheduler.name,
    rate,
    notes:
      lacking.length === 0
        ? notes
        : [...notes, `this kernel lacks ${lacking.join(' and ')}: ${scheduler.name} instead`],
  };
}

function shapedRate(up: LineRate | undefined, use: number): BitsPerSecond | undefined {
  if (typeof up !== 'number') return undefined;
  // tc keeps whole bytes per second: a rate that is no multiple of 8 bit would never read back equal.
  return bitsPerSecond(Math.max(8, Math.floor((up * use) / 800) * 8));
}

function rateNotes(up: LineRate | undefined, rate: BitsPerSecond | undefined, use: number): string[] {
  if (rate !== undefined && typeof up === 'number') return [`shaped to ${use} % of ${formatRate(up)}`];
  if (up === 'auto') return ['up=auto: this version does not measure the line; bands without a shaper'];
  if (up === 'off') return ['up=off: bands without a shaper'];
  return ['no rate: bands without a shaper do not shorten delay; in dom0: qvm-qos uplink NETVM --up RATE'];
}
