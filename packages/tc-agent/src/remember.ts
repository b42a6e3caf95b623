// Owns the nft table that makes conntrack remember the class of each connection, for its replies (design.md 5). Pure.
import { CLASSES, DEFAULT_CLASS } from '@qubes-qos/core/classes';
import type { NftExpression, NftRule, NftTable, TableId } from '@qubes-qos/core/nft/model';
import { MARK_DSCP, MARK_SET } from '@qubes-qos/core/tc/hooks';

/** The table of this program in the family inet; the mangle agent has another (design.md 3.4). */
export const TC_TABLE: TableId = { family: 'inet', name: 'qubes-qos-tc' };

/** Bits of a mark that are somebody else's: a connection that has one is left alone. */
const FOREIGN_BITS = ~(MARK_DSCP | MARK_SET) >>> 0;
const DSCP_SHIFT = 26;
/** The interface group of client vifs (core-agent-linux vif-route-qubes). */
const GROUP_CLIENT = 2;

/**
 * What a client sends says which class its connection has; what comes back says nothing of worth. A flow that is
 * offloaded is seen here with its first packets only.
 */
export const REMEMBER_TABLE: NftTable = {
  id: TC_TABLE,
  chains: [
    {
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
    },
  ],
  foreign: [],
};

function markOf(dscp: number): number {
  return ((dscp << DSCP_SHIFT) | MARK_SET) >>> 0;
}

function rule(...expressions: readonly NftExpression[]): NftRule {
  return { expressions };
}

function leave(): NftExpression {
  return { kind: 'verdict', verdict: 'return' };
}
