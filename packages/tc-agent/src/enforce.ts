// Owns what dom0's word makes of the DSCP of a client's packets, at its vif, before the flowtable can take them away. Pure.
import { CLASSES, DEFAULT_CLASS, classOf, type ClassName } from '@qubes-qos/core/classes';
import type { ClientPolicy } from '@qubes-qos/core/client-policy';
import type { HookFilter } from '@qubes-qos/core/tc/hooks/model';
import { IP_FAMILIES } from '@qubes-qos/core/tc/model';

/**
 * The kernel takes a tag of VLAN 0 off behind all filters, as long as there is one (net/core/dev.c, check_vlan_id): to the
 * filters of a family such a packet is none of theirs. So it goes before, and before the limit, which would count it twice.
 */
const UNTAG = [
  { hook: 'ingress', slot: 0, protocol: '802.1Q', actions: [{ action: 'untag' }] },
  { hook: 'ingress', slot: 1, protocol: '802.1ad', actions: [{ action: 'untag' }] },
] as const satisfies readonly HookFilter[];

/** Positions among our filters on a hook, of each family: behind the limit of what a client sends. */
const ALLOWED = { ip: 10, ipv6: 20 } as const;
const DEMOTED = { ip: { slot: 30, spare: 32 }, ipv6: { slot: 31, spare: 33 } } as const;

/**
 * Lets pass what dom0 grants and gives everything else the client's class: a DSCP above `max`, one of no class, and with
 * `zero=class` DSCP 0 too (design.md 3.2). The ECN bits stay. A client of which dom0 says nothing is cs0 at most.
 */
export function enforceHooks(policy: ClientPolicy): HookFilter[] {
  const { class: name = DEFAULT_CLASS } = policy;
  const allowed = allowedClasses(policy);
  const byFamily = IP_FAMILIES.flatMap((family): HookFilter[] => [
    ...allowed.map((one, position): HookFilter => ({
      ...{ hook: 'ingress', slot: ALLOWED[family] + position, protocol: family },
      ...{ dscp: classOf(one).dscp, actions: [{ action: 'pass' }] },
    })),
    {
      ...{ hook: 'ingress', ...DEMOTED[family], protocol: family },
      actions: [{ action: 'set-dscp', family, dscp: classOf(name).dscp }],
    },
  ]);
  return [...UNTAG, ...byFamily];
}

/** The clause for `status`. */
export function enforceNote(policy: ClientPolicy): string {
  return `dom0 says ${grantText(policy)}`;
}

/** `cs5`, or `cs5, at best ef`. */
export function grantText(policy: ClientPolicy): string {
  const { class: name = DEFAULT_CLASS } = policy;
  const allowed = allowedClasses(policy);
  const best = CLASSES.find((one) => allowed.includes(one.name))?.name ?? name;
  return best === name ? name : `${name}, at best ${best}`;
}

/** Those whose packets stay as they are, the client's own first: most of its packets are of that. */
function allowedClasses({
  class: name = DEFAULT_CLASS,
  max = name,
  zero = 'class',
}: ClientPolicy): ClassName[] {
  const isZeroKept = zero === 'keep' || name === DEFAULT_CLASS;
  return CLASSES.filter(({ rank }) => rank >= classOf(max).rank)
    .map((one) => one.name)
    .filter((one) => one !== DEFAULT_CLASS || isZeroKept)
    .sort((a, b) => Number(b === name) - Number(a === name));
}
