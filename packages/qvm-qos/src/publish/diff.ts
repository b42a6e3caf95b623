// Owns the difference between the derived features that there are and those that there should be. Pure.
import { FEATURE, isDerived } from '../feature-names.js';
import type { Publication } from './desired.js';
import type { QubeFacts, System } from './system.js';

/** One feature to write; `to` is null to remove it. */
export interface FeatureChange {
  readonly qube: string;
  readonly feature: string;
  /** What it was; null for not set. */
  readonly from: string | null;
  readonly to: string | null;
}

/**
 * The changes, in the order in which they are safe: what a NetVM is to believe comes before it believes it, and
 * what is no longer true goes last. Within a step by name.
 */
export function diffPublication({ qubes }: System, publication: Publication): FeatureChange[] {
  const written = qubes.flatMap((qube) => writes(qube, publication));
  const enforced = qubes
    .filter(({ name, features }) => publication.firstHops.includes(name) && !features.has(FEATURE.enforce))
    .map(({ name }) => ({ qube: name, feature: FEATURE.enforce, from: null, to: '1' }));
  const removed = qubes.flatMap((qube) => removals(qube, publication));
  return [...written, ...enforced, ...removed].sort((a, b) => stepOf(a) - stepOf(b) || compareNames(a, b));
}

/** Changes of one step may be written at once. */
export function stepOf({ feature, to }: FeatureChange): 0 | 1 | 2 {
  if (to === null) return 2;
  return feature === FEATURE.enforce ? 1 : 0;
}

/** What a change is about. */
export function keyOf({ qube, feature }: FeatureChange): string {
  return `${qube} ${feature}`;
}

/** By name, a number by its value: qubes and features are in the order in which answers came. */
function compareNames(a: FeatureChange, b: FeatureChange): number {
  const [one = [], other = []] = [a, b].map((change) => keyOf(change).split(/(\d+)/));
  const at = [...one, ...other].findIndex((_, index) => one[index] !== other[index]);
  const [x = '', y = ''] = [one[at], other[at]];
  // Not by Intl: to load what it knows of languages takes longer than all else here.
  return Number(x) - Number(y) || (x < y ? -1 : x > y ? 1 : 0);
}

function writes({ name, features }: QubeFacts, { derived }: Publication): FeatureChange[] {
  return [...(derived.get(name) ?? [])]
    .filter(([feature, to]) => features.get(feature) !== to)
    .map(([feature, to]) => ({ qube: name, feature, from: features.get(feature) ?? null, to }));
}

function removals({ name, features }: QubeFacts, { derived }: Publication): FeatureChange[] {
  return [...features]
    .filter(([feature]) => isDerived(feature) && derived.get(name)?.has(feature) !== true)
    .map(([feature, from]) => ({ qube: name, feature, from, to: null }));
}
