// Owns a snapshot of an ordinary machine, to which a test adds what it is about.
import { planPublication } from '@qubes-qos/qvm-qos/publish/desired';
import type { QubeFacts, System } from '@qubes-qos/qvm-qos/publish/system';

/** A qube as a test writes it. */
export interface Described {
  readonly klass?: string;
  readonly netvm?: string;
  readonly ip?: string;
  readonly ip6?: string;
  readonly providesNetwork?: boolean;
  readonly tags?: readonly string[];
  readonly features?: Readonly<Record<string, string>>;
}

const ORDINARY: Readonly<Record<string, Described>> = {
  dom0: { klass: 'AdminVM' },
  'sys-net': { providesNetwork: true, ip: '10.137.0.2' },
  'sys-firewall': { netvm: 'sys-net', providesNetwork: true, ip: '10.137.0.3', ip6: 'fd09::3' },
  work: { netvm: 'sys-firewall', ip: '10.137.0.5', ip6: 'fd09::5' },
  personal: { netvm: 'sys-firewall', ip: '10.137.0.6' },
  'sys-whonix': { netvm: 'sys-firewall', providesNetwork: true, ip: '10.137.0.9', tags: ['anon-gateway'] },
  'anon-whonix': { netvm: 'sys-whonix', ip: '10.137.0.10', tags: ['anon-vm'] },
  vault: {},
};

/** The machine with these qubes laid over it, key by key. */
export function machineWith(changes: Readonly<Record<string, Described>> = {}): System {
  const names = [...new Set([...Object.keys(ORDINARY), ...Object.keys(changes)])];
  return { qubes: names.map((name) => factsOf(name, { ...ORDINARY[name], ...changes[name] })) };
}

function factsOf(name: string, described: Described): QubeFacts {
  return {
    name,
    klass: described.klass ?? 'AppVM',
    netvm: described.netvm,
    ip: described.ip ?? '',
    ip6: described.ip6 ?? '',
    providesNetwork: described.providesNetwork === true,
    tags: described.tags ?? [],
    features: new Map(Object.entries(described.features ?? {})),
  };
}

/** A qube that has these features. */
export function having(features: Readonly<Record<string, string>>): Described {
  return { features };
}

/** The machine once a list of changes was written. */
export function written(
  { qubes }: System,
  changes: readonly { readonly qube: string; readonly feature: string; readonly to: string | null }[],
): System {
  return {
    qubes: qubes.map((qube) => {
      const features = new Map(qube.features);
      for (const { feature, to } of changes.filter((change) => change.qube === qube.name)) {
        if (to === null) features.delete(feature);
        else features.set(feature, to);
      }
      return { ...qube, features };
    }),
  };
}

/** A qube of the ordinary machine, to lay something over it. */
export function ordinary(name: string): Described {
  return ORDINARY[name] ?? {};
}

/** `QUBE FEATURE: VALUE` for all derived features of the ordinary machine with changes. */
export function derivedOf(changes: Readonly<Record<string, Described>>): string[] {
  const { derived } = planPublication(machineWith(changes));
  return [...derived].flatMap(([qube, features]) =>
    [...features].map(([feature, value]) => `${qube} ${feature.replace('vm-config.', '')}: ${value}`),
  );
}

/** What is said of it. */
export function warningsOf(changes: Readonly<Record<string, Described>>): readonly string[] {
  return planPublication(machineWith(changes)).warnings;
}
