// Owns the decision what belongs on each interface: network and settings -> desired. Pure.
import type { ClientPolicy } from '@qubes-qos/core/client-policy';
import type { Link, Route } from '@qubes-qos/core/links';
import { formatRate, type BitsPerSecond } from '@qubes-qos/core/rate';
import { settingsOf, type LineSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import type { HookFilter } from '@qubes-qos/core/tc/hooks/model';
import type { PrefixFilter, QdiscKind } from '@qubes-qos/core/tc/model';
import { ifbOf, isOurIfb, lineHooks, policeHooks, vifHooks } from './download.js';
import { enforceHooks, enforceNote } from './enforce.js';
import { exemptNetworks, withExempt } from './exempt.js';
import { clientsByInterface, limitHooks } from './limits.js';
import { rateNotes, shapedRate, wholeBytes } from './line-rate.js';
import { NO_QUEUE, planQueue, type Queue } from './plan-queue.js';
import { isClient, isQubesUplink, isTunnel, rolesOf, type Role } from './roles.js';
import { doubtNotes, hasRate, yieldNotes } from './shaped-once.js';
import { accessHooks } from './wifi.js';
import { chooseScheduler } from './schedulers/choose.js';

/** What belongs on one interface. */
export interface DevicePlan extends Queue {
  /** With ifindex 0 for an ifb that is still to be made. */
  readonly link: Link;
  /** undefined: the interface is none of ours, and what we have on it is a left-over. */
  readonly role: Role | 'download' | undefined;
  readonly hooks: readonly HookFilter[];
}

/** What the planner looks at. */
export interface PlanInput {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly config: TcConfig;
  /** Kinds of qdisc that this kernel turned out not to have. */
  readonly missing: ReadonlySet<QdiscKind>;
  /** True when ifbs cannot be made: then nothing that comes in is shaped. */
  readonly withoutIfb?: boolean;
}

/** The plan for every interface but the loopback, and for the ifbs that belong to the lines. */
export function planTc(input: PlanInput): DevicePlan[] {
  const roles = rolesOf(input.links, input.routes, (ifname) => hasRate(ifname, input.config));
  const lines = input.links.filter(({ ifname }) => roles.get(ifname) === 'line');
  const clients = clientsByInterface(input.config.clients, input.routes);
  // Without a shaper a detour through an ifb is of no use.
  const canShape = !input.withoutIfb && (chooseScheduler(true, input.missing)?.scheduler.shapes ?? false);
  const downloads = lines.filter((link) => canShape && downOf(link, input) !== undefined);
  const devices = input.links
    .filter((link) => link.ifname !== 'lo' && !isOurIfb(link))
    .map((link): DevicePlan => {
      switch (roles.get(link.ifname) ?? roleBySettings(link, input.config)) {
        case 'client':
          return planClient(link, clients.get(link.ifname) ?? {}, downloads, input);
        case 'line':
          return planLine(link, downloads.includes(link), lines, input);
        case 'uplink':
          return planUplink(link, lines, input);
        case undefined:
          return { link, role: undefined, hooks: [], ...NO_QUEUE };
      }
    });
  return [...devices, ...downloads.map((line) => planDownload(line, input))];
}

/** An interface that the user gives a tree of his own has it wherever it leads. */
function roleBySettings({ ifname }: Link, config: TcConfig): Role | undefined {
  return config.interfaces.get(ifname)?.scheduler?.value === 'tree' ? 'uplink' : undefined;
}

function planClient(
  link: Link,
  policy: ClientPolicy,
  downloads: readonly Link[],
  input: PlanInput,
): DevicePlan {
  const { up, down } = policy;
  const { enforce } = input.config;
  const notes = [
    enforce ? enforceNote(policy) : 'trusted: its packets say which class they have',
    ...(up === undefined ? [] : [`what it sends is limited to ${formatRate(up)}`]),
    ...(down === undefined ? [] : [`what it receives is limited to ${formatRate(down)}`]),
  ];
  const rate = down === undefined ? undefined : wholeBytes(down);
  const settings = settingsBesideLine(link, input);
  return {
    ...{ link, role: 'client', ...planQueue(link, { settings, rate, notes }, input) },
    hooks: [...downloads.flatMap(vifHooks), ...limitHooks(policy), ...(enforce ? enforceHooks(policy) : [])],
  };
}

function planUplink(link: Link, lines: readonly Link[], input: PlanInput): DevicePlan {
  const settings = settingsBesideLine(link, input);
  const request = { settings, wash: isWashed(link, settings), notes: yieldNotes(link, lines, input.config) };
  const hooks = request.wash ? accessHooks(link) : [];
  return { link, role: 'uplink', hooks, ...planQueue(link, request, input) };
}

function planLine(link: Link, isDownload: boolean, lines: readonly Link[], input: PlanInput): DevicePlan {
  const settings = settingsOf(input.config, link.ifname);
  const { up, use = 100 } = settings;
  const rate = shapedRate(up, use);
  const filterAcks = isVeryAsymmetric(settings);
  const request = {
    settings,
    rate,
    wash: isWashed(link, settings),
    ...hostsOf('src', input),
    filterAcks,
    limitsEf: true,
    notes: [
      ...rateNotes(up, rate, use),
      ...(filterAcks ? ['needless acknowledgements are dropped: the line is very asymmetric'] : []),
      ...doubtNotes(link, lines, input.config),
    ],
  };
  return {
    ...{ link, role: 'line' },
    hooks: [
      ...policeHooks(settings.police),
      ...(isDownload ? lineHooks(link) : []),
      ...(request.wash ? accessHooks(link) : []),
    ],
    ...exempted(planQueue(link, request, input), link, 'dst', input),
  };
}

/** From here on the acknowledgements of a full download take two fifths of the way up. */
const VERY_ASYMMETRIC = 15;

function isVeryAsymmetric({ up, down }: LineSettings): boolean {
  return typeof up === 'number' && typeof down === 'number' && down / up >= VERY_ASYMMETRIC;
}

/** The ifb through which the packets of a line come in. */
function planDownload(line: Link, input: PlanInput): DevicePlan {
  const ifname = ifbOf(line);
  const link = input.links.find((one) => one.ifname === ifname) ?? {
    ...{ ifindex: 0, ifname, group: 0, kind: 'ifb', up: false, mtu: line.mtu },
  };
  const { scheduler, overhead, down, use = 100 } = settingsOf(input.config, line.ifname);
  const request = {
    settings: {
      // A tree of the user's own is for the interface that it names.
      ...(scheduler !== undefined && scheduler !== 'tree' && { scheduler }),
      ...(overhead !== undefined && { overhead }),
    },
    rate: downOf(line, input),
    ...hostsOf('dst', input),
    notes: [`what comes in by ${line.ifname}`, ...rateNotes(down, downOf(line, input), use)],
  };
  const queue = planQueue({ ...line, ifname }, request, input);
  return { link, role: 'download', hooks: [], ...exempted(queue, line, 'src', input) };
}

/** Whose packets share evenly: a NetVM with one client has one host. */
function hostsOf(side: 'src' | 'dst', { links }: PlanInput): { hosts?: 'src' | 'dst' } {
  return links.filter(isClient).length > 1 ? { hosts: side } : {};
}

function downOf(line: Link, { config }: PlanInput): BitsPerSecond | undefined {
  const { down, use } = settingsOf(config, line.ifname);
  return shapedRate(down, use);
}

/** What is said of the line in general is not meant for the others, but for the part of a rate and for the DSCP. */
function settingsBesideLine({ ifname }: Link, { config }: PlanInput): LineSettings {
  const { use, dscp_out: dscpOut } = config.line;
  const line = { ...(use && { use }), ...(dscpOut && { dscp_out: dscpOut }) };
  return settingsOf({ ...config, line }, ifname);
}

/** True for an interface by which packets leave this machine: a card, or a tunnel, whose far end sees the inner DSCP. */
function isWashed(link: Link, settings: LineSettings): boolean {
  return !isQubesUplink(link) && settings.dscp_out !== 'keep';
}

function exempted(queue: Queue, line: Link, side: PrefixFilter['side'], input: PlanInput): Queue {
  // A tree of the user's own says by itself what it does with which network.
  if (!queue.tree || queue.classes) return queue;
  const networks = exemptNetworks(line, input.routes, input.config.local.value, isTunnel(line));
  return { ...queue, tree: withExempt(queue.tree, networks, side, line.mtu) };
}
