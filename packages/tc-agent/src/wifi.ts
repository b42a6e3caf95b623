// Owns the access category on Wi-Fi: the kernel chooses it from the DSCP when the packet leaves the queue, where it is
// cleared by then, unless the packet priority says it. Pure.
import { CLASSES } from '@qubes-qos/core/classes';
import type { Link } from '@qubes-qos/core/links';
import type { HookFilter } from '@qubes-qos/core/tc/hooks/model';
import { IP_FAMILIES } from '@qubes-qos/core/tc/model';

/** Preferences of a family each. */
const SLOT = { ip: 5, ipv6: 6 } as const;

/** Filters before the queue of a Wi-Fi card, where the DSCP is still there; none for other links. */
export function accessHooks({ wireless }: Link): HookFilter[] {
  // Without a word of ours a packet without a DSCP has user priority 0.
  const raised = CLASSES.filter(({ userPriority }) => userPriority !== 0);
  if (wireless !== true) return [];
  return IP_FAMILIES.flatMap((family) =>
    raised.map(({ dscp, userPriority }): HookFilter => ({
      ...{ hook: 'egress', slot: SLOT[family], protocol: family, dscp },
      actions: [{ action: 'user-priority', priority: userPriority }],
    })),
  );
}
