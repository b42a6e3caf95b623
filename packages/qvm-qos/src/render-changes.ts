// Owns how a change of a feature looks, and what every command that tells the NetVMs prints of it. Pure.
import { quote } from '@qubes-qos/core/quote';
import type { FeatureChange } from './publish/diff.js';
import type { Rendered } from './rendered.js';
import type { Telling } from './results.js';

/** What is printed of the telling, with the exit code. */
export function renderTelling({ errors, warnings, notes, published }: Telling): Rendered {
  return {
    ...{ stdout: '', errors, warnings, notes, details: published.map(describeWritten) },
    exitCode: errors.length === 0 ? 0 : 1,
  };
}

/** A value is from whoever can set features: shown on one line and bounded. */
export function describeChange({ qube, feature, from, to }: FeatureChange): string {
  return `${qube} ${feature}: ${shown(from)} -> ${shown(to)}`;
}

/** The same once it is done. */
export function describeWritten({ qube, feature, to }: FeatureChange): string {
  return `${qube}: ${to === null ? `${feature} removed` : `${feature}=${shown(to)}`}`;
}

function shown(value: string | null): string {
  return value === null ? '-' : quote(value);
}
