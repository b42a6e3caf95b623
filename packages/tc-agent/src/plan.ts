// Owns the decision what belongs on each interface: network and settings -> desired. Pure.
import type { DefaultRoute, Link } from '@qubes-qos/core/links';
import { parseOverhead } from '@qubes-qos/core/overhead';
import { formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import { settingsOf, type LineSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import type { QdiscKind, Tree } from '@qubes-qos/core/tc/model';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import type { LineRate } from '@qubes-qos/core/uplink-policy';
import { planTree, shapedRate } from './plan-tree.js';
import { rolesOf, TUNNEL_KINDS, type Role } from './roles.js';
import { chooseScheduler } from './schedulers/choose.js';
import { chargeOverhead } from './schedulers/overhead.js';
import type { BuiltTree } from './schedulers/tree.js';

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
  /** The classes of a tree of the user's own; the others have the five. */
  readonly classes?: BuiltTree['classes'];
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
      const role = roles.get(link.ifname) ?? roleBySettings(link, input.config);
      return role
        ? planDevice(link, role, input)
        : { link, role, tree: undefined, scheduler: 'none', rate: undefined, notes: [] };
    });
}

/** An interface that the user gives a tree of his own has it wherever it leads. */
function roleBySettings({ ifname }: Link, config: TcConfig): Role | undefined {
  return config.interfaces.get(ifname)?.scheduler?.value === 'tree' ? 'uplink' : undefined;
}

function planDevice(link: Link, role: Role, input: PlanInput): DevicePlan {
  // What is said of the line is not meant for the others, but for the part of a rate that is used.
  const { use } = input.config.line;
  const general =
    role === 'line' ? input.config : { ...input.config, line: use === undefined ? {} : { use } };
  const settings = settingsOf(general, link.ifname);
  const trouble: string[] = [];
  if (settings.scheduler === 'tree') {
    try {
      return planOwnTree(link, role, settings, input);
    } catch (error) {
      if (!(error instanceof TreeFault)) throw error;
      trouble.push(`${error.path.join('.')}: ${error.message}: no tree of your own`);
    }
  }
  return planScheduler(link, role, settings, input, trouble);
}

function planOwnTree(
  link: Link,
  role: Role,
  settings: LineSettings,
  { config, missing }: PlanInput,
): DevicePlan {
  const { name, tree, rate, classes, notes } = planTree(link, settings, config);
  const lacking = tree.qdiscs.map(({ options }) => options.kind).filter((kind) => missing.has(kind));
  if (lacking.length > 0) throw new TreeFault(['tree', name], `this kernel lacks ${lacking.join(' and ')}`);
  return { link, role, tree: charged(tree, link, settings), scheduler: `tree ${name}`, rate, notes, classes };
}

function planScheduler(
  link: Link,
  role: Role,
  settings: LineSettings,
  { missing }: PlanInput,
  trouble: readonly string[],
): DevicePlan {
  const { up, use, scheduler: name } = settings;
  const wanted = role === 'line' ? shapedRate(settings) : undefined;
  const notes = [...trouble, ...(role === 'line' ? rateNotes(up, wanted, use ?? 100) : [])];
  const choice = chooseScheduler(wanted !== undefined, missing, name === 'tree' ? undefined : name);
  if (!choice) {
    const why = `this kernel lacks ${[...missing].join(', ')}: the interface keeps its own queue`;
    return { link, role, tree: undefined, scheduler: 'none', rate: undefined, notes: [...notes, why] };
  }
  const { scheduler, lacking } = choice;
  const rate = scheduler.shapes ? wanted : undefined;
  return {
    link,
    role,
    tree: charged(scheduler.build({ rate, mtu: link.mtu }), link, settings),
    scheduler: scheduler.name,
    rate,
    notes:
      lacking.length === 0
        ? notes
        : [...notes, `this kernel lacks ${lacking.join(' and ')}: ${scheduler.name} instead`],
  };
}

const ETHERNET_HEADER = 14;

function charged(tree: Tree, { kind }: Link, { overhead }: LineSettings): Tree {
  const headerBytes = kind !== undefined && TUNNEL_KINDS.has(kind) ? 0 : ETHERNET_HEADER;
  return overhead === undefined ? tree : chargeOverhead(tree, parseOverhead(overhead), headerBytes);
}

function rateNotes(up: LineRate | undefined, rate: BitsPerSecond | undefined, use: number): string[] {
  if (rate !== undefined && typeof up === 'number') return [`shaped to ${use} % of ${formatRate(up)}`];
  if (up === 'auto') return ['up=auto: this version does not measure the line; bands without a shaper'];
  if (up === 'off') return ['up=off: bands without a shaper'];
  return ['no rate: bands without a shaper do not shorten delay; in dom0: qvm-qos uplink NETVM --up RATE'];
}
