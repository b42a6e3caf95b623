// Owns the decision: what this qube's policy means for its nft table. Pure.
import { CLASS_NAMES, classOf, type ClassName } from '@qubes-qos/core/classes';
import { diffTable } from '@qubes-qos/core/nft/diff';
import type { NftTable, TableId } from '@qubes-qos/core/nft/model';

/** The one table of this program; the tc agent has others (design.md 3.4). */
export const MANGLE_TABLE: TableId = { family: 'inet', name: 'qubes-qos-mangle' };

/**
 * The desired table for a class: every packet that this qube itself sends leaves with the class's DSCP, whatever a
 * program set before. Undefined, which is "no table", for `none`.
 */
export function planMangle(className: ClassName | 'none'): NftTable | undefined {
  if (className === 'none') return undefined;
  const { dscp } = classOf(className);
  return {
    id: MANGLE_TABLE,
    chains: [
      {
        name: 'output',
        // Type filter is enough: a DSCP does not change the route, and what a VPN forwards never comes here.
        base: { type: 'filter', hook: 'output', priority: -150, policy: 'accept' },
        rules: [
          {
            expressions: [
              { kind: 'meta', key: 'oif', op: '==', value: 'lo' },
              { kind: 'verdict', verdict: 'accept' },
            ],
          },
          // One rule each: in an inet table `ip dscp set` leaves every IPv6 packet as it was.
          { expressions: [{ kind: 'set-dscp', family: 'ip', dscp }] },
          { expressions: [{ kind: 'set-dscp', family: 'ip6', dscp }] },
        ],
      },
    ],
    foreign: [],
  };
}

/** The class that an observed table gives to packets; `altered` when it is not exactly one that we write. */
export function classInForce(observed: NftTable | undefined): ClassName | 'none' | 'altered' {
  if (!observed) return 'none';
  const isInForce = (name: ClassName): boolean =>
    diffTable(MANGLE_TABLE, planMangle(name), observed).length === 0;
  return CLASS_NAMES.find(isInForce) ?? 'altered';
}
