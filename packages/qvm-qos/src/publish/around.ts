// Owns the short way: what a change of a few qubes means, from those qubes and the NetVMs above them alone. Pure.
import { parseClientPolicy } from '@qubes-qos/core/client-policy';
import { CLASS_NAMES } from '@qubes-qos/core/classes';
import { FEATURE, OF_POLICY } from '../feature-names.js';
import { planPublication, type Publication } from './desired.js';
import { diffPublication, type FeatureChange } from './diff.js';
import type { QubeFacts, System } from './system.js';

/** Features of the changed qubes as they were, by qube; undefined for one that was not set. */
export type Before = ReadonlyMap<string, ReadonlyMap<string, string | undefined>>;

const [BEST] = CLASS_NAMES;

/**
 * The changes that follow, or undefined when these qubes alone do not tell. The best class that a NetVM may send is
 * that of all its clients, and the others are not looked at; but it is known when it is the best that there is, and
 * what the change does not touch it leaves as it was.
 */
export function diffAround(part: System, before: Before): FeatureChange[] | undefined {
  const now = planPublication(part);
  const then = planPublication(asBefore(part, before));
  const touched = new Set<string>();
  for (const qube of part.qubes) {
    if (qube.netvm === undefined || qube.klass === 'AdminVM') continue;
    const feature = FEATURE.clientPrefix + qube.ip;
    const value = now.derived.get(qube.netvm)?.get(feature);
    const isChanged = before.has(qube.name);
    if (qube.providesNetwork && !isBest(value)) {
      if (isChanged || value !== then.derived.get(qube.netvm)?.get(feature)) return undefined;
      continue;
    }
    touched.add(`${qube.netvm} ${feature}`);
    if (isChanged) for (const name of OF_POLICY) touched.add(`${qube.name} ${name}`);
  }
  return withBelief(part, now, touched);
}

/** What a NetVM begins to believe must be said of all its clients first. */
function withBelief(
  part: System,
  now: Publication,
  touched: ReadonlySet<string>,
): FeatureChange[] | undefined {
  const changes = diffPublication(part, now);
  if (changes.some(({ feature }) => feature === FEATURE.enforce)) return undefined;
  return changes.filter(({ qube, feature }) => touched.has(`${qube} ${feature}`));
}

function isBest(value: string | undefined): boolean {
  return value !== undefined && parseClientPolicy(value).policy.max === BEST;
}

function asBefore({ qubes }: System, before: Before): System {
  return { qubes: qubes.map((qube) => withFeatures(qube, before.get(qube.name))) };
}

function withFeatures(
  qube: QubeFacts,
  changed: ReadonlyMap<string, string | undefined> | undefined,
): QubeFacts {
  if (changed === undefined) return qube;
  const features = new Map(qube.features);
  for (const [feature, value] of changed) {
    if (value === undefined) features.delete(feature);
    else features.set(feature, value);
  }
  return { ...qube, features };
}
