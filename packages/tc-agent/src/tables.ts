// Owns the nft table of this program: conntrack remembers the class of each connection for its replies, and a new vif is
// not believed until it has its own filters (design.md 5). Pure.
import { CLASSES, DEFAULT_CLASS, classOf } from '@qubes-qos/core/classes';
import { FOREIGN_BITS, markOf } from '@qubes-qos/core/connection-mark';
import { rule } from '@qubes-qos/core/nft/model';
import type { NftChain, NftExpression, NftTable, TableId } from '@qubes-qos/core/nft/model';
import { GROUP_CLIENT } from './roles.js';

/** The table of this program in the family inet; the mangle agent has another (design.md 3.4). */
export const TC_TABLE: TableId = { family: 'inet', name: 'qubes-qos-tc' };

const DEFAULT_DSCP = classOf(DEFAULT_CLASS).dscp;

/** What the table is for. */
export interface TableInput {
  /** True where something asks which class a connection has. */
  readonly remembers: boolean;
  /** The vifs at which dom0's word is in force already; undefined where it is not enforced. */
  readonly enforced: readonly string[] | undefined;
}

/** The table of this program, or undefined when there is nothing for it to do. */
export function tcTable({ remembers, enforced }: TableInput): NftTable | undefined {
  const chains = [...(enforced ? [firstPackets(enforced)] : []), ...(remembers ? [REMEMBER] : [])];
  return chains.length === 0 ? undefined : { id: TC_TABLE, chains, foreign: [] };
}

/**
 * Between the moment when a vif is up and that when its own filters are there, its packets are cs0. Vifs are told apart by
 * number, which nft shows as a name: one that was replaced under its name is new.
 */
function firstPackets(enforced: readonly string[]): NftChain {
  return {
    name: 'first-packets',
    base: { type: 'filter', hook: 'prerouting', priority: -160, policy: 'accept' },
    rules: [
      rule({ kind: 'meta', key: 'iifgroup', op: '!=', value: GROUP_CLIENT }, leave()),
      ...enforced.map((ifname) => rule({ kind: 'meta', key: 'iif', op: '==', value: ifname }, leave())),
      ...(['ip', 'ip6'] as const).map((family) => rule({ kind: 'set-dscp', family, dscp: DEFAULT_DSCP })),
    ],
  };
}

/**
 * What a client sends says which class its connection has; what comes back says nothing of worth. A flow that is
 * offloaded is seen here with its first packets only.
 */
const REMEMBER: NftChain = {
  name: 'remember',
  base: { type: 'filter', hook: 'prerouting', priority: -150, policy: 'accept' },
  rules: [
    rule({ kind: 'meta', key: 'iifgroup', op: '!=', value: GROUP_CLIENT }, leave()),
    rule({ kind: 'ct-mark', mask: FOREIGN_BITS, op: '!=', value: 0 }, leave()),
    ...CLASSES.filter(({ name }) => name !== DEFAULT_CLASS).flatMap(({ dscp }) =>
      (['ip', 'ip6'] as const).map((family) =>
        rule({ kind: 'dscp', family, dscp }, { kind: 'set-ct-mark', value: markOf(dscp) }, leave()),
      ),
    ),
    rule({ kind: 'set-ct-mark', value: markOf(0) }),
  ],
};

function leave(): NftExpression {
  return { kind: 'verdict', verdict: 'return' };
}
