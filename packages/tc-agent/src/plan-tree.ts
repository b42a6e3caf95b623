// Owns the user's own trees in the plan: which interface has which, and the trial of all of them when settings are read.
import type { Link } from '@qubes-qos/core/links';
import { quote } from '@qubes-qos/core/quote';
import { bitsPerSecond, type BitsPerSecond } from '@qubes-qos/core/rate';
import { settingsOf, type LineSettings, type TcConfig } from '@qubes-qos/core/tc-config';
import { TreeFault } from '@qubes-qos/core/tree/fault';
import { shapedRate } from './line-rate.js';
import { buildCustomTree, type BuiltTree } from './schedulers/tree.js';

const COMMON_MTU = 1500;
/** Stands for the rate of the interface in the trial of a tree that no interface has. */
const TRIAL_RATE = bitsPerSecond(1e9);

/**
 * Builds the tree that the settings of an interface ask for.
 * @throws TreeFault
 */
export function planTree(
  { ifname, mtu }: Pick<Link, 'ifname' | 'mtu'>,
  settings: LineSettings,
  config: TcConfig,
): BuiltTree & { readonly name: string } {
  const name = treeName(settings, config, ifname);
  const context = {
    config: config.trees,
    rateOf: rateOfInterface(config),
    rate: shapedRate(settings.up, settings.use),
    mtu,
  };
  return { name, ...buildCustomTree(name, context) };
}

/**
 * Builds every tree once, so that a wrong one is found when the settings are read, and the last good ones stay.
 * @throws TreeFault
 */
export function tryTrees(config: TcConfig): void {
  const line = settingsOf(config, '');
  const sections = [...config.interfaces.keys()].map((ifname) => ({
    ifname,
    settings: settingsOf(config, ifname),
  }));
  const asking = [{ ifname: '', settings: line }, ...sections].filter(
    ({ settings }) => settings.scheduler === 'tree',
  );
  for (const { ifname, settings } of asking) planTree({ ifname, mtu: COMMON_MTU }, settings, config);
  const used = new Set(asking.map(({ ifname, settings }) => treeName(settings, config, ifname)));
  for (const name of Object.keys(config.trees.tree).filter((one) => !used.has(one))) {
    const known = rateOfInterface(config);
    const rateOf = (one: string): BitsPerSecond => known(one) ?? TRIAL_RATE;
    buildCustomTree(name, { config: config.trees, rateOf, rate: TRIAL_RATE, mtu: COMMON_MTU });
  }
}

function treeName({ tree }: LineSettings, config: TcConfig, ifname: string): string {
  if (tree !== undefined) return tree;
  const [only, ...others] = Object.keys(config.trees.tree);
  if (only !== undefined && others.length === 0) return only;
  const path = config.interfaces.has(ifname) ? ['interface', ifname, 'scheduler'] : ['line', 'scheduler'];
  const there = only === undefined ? 'there is none' : [only, ...others].map(quote).join(', ');
  throw new TreeFault(path, `"tree" needs a [tree.NAME]: ${there}; expected one, or tree = "NAME"`);
}

/** The rate of an interface by name or alias. @throws TreeFault for a name that the settings do not know. */
function rateOfInterface(config: TcConfig): (name: string) => BitsPerSecond | undefined {
  const { alias } = config.trees;
  return (name) => {
    const ifname = Object.hasOwn(alias, name) ? (alias[name] ?? name) : name;
    if (ifname === name && !config.interfaces.has(name)) return undefined;
    const { up, use } = settingsOf(config, ifname);
    return shapedRate(up, use);
  };
}
