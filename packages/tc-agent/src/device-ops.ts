// Owns the difference between the plan of one interface and what it has: root and hooks together. Pure.
import type { TcConfig } from '@qubes-qos/core/tc-config';
import { buildTree, diffTc } from '@qubes-qos/core/tc/diff';
import { otherSide } from '@qubes-qos/core/tc/handles';
import { diffHooks } from '@qubes-qos/core/tc/hooks/diff';
import { NO_HOOKS } from '@qubes-qos/core/tc/hooks/model';
import type { DeviceOps, ObservedDevice } from '@qubes-qos/core/tc/model';
import type { DevicePlan } from './plan.js';

/** An interface that has nothing of ours, nor of anybody else. */
export const BARE: ObservedDevice = { state: 'default', hooks: NO_HOOKS };

type Planned = Pick<DevicePlan, 'link' | 'tree' | 'hooks'>;

/** The ops that lead from what an interface has to its plan; none when nothing is to be done. */
export function deviceOps(plan: Planned, observed: ObservedDevice, config: TcConfig): DeviceOps {
  const root = diffTc(plan.link.ifname, plan.tree, observed, { takeover: config.takeover.value });
  return withHooks(root, plan, observed);
}

/** The same with the tree built anew on the other side, for one that could not be changed in place. */
export function rebuildOps(plan: Planned, observed: ObservedDevice, config: TcConfig): DeviceOps {
  const root = diffTc(plan.link.ifname, plan.tree, observed, { takeover: config.takeover.value });
  if (root.ops.length === 0 || !plan.tree || observed.state !== 'ours')
    return withHooks(root, plan, observed);
  return withHooks(buildTree(plan.link.ifname, plan.tree, otherSide(observed.side)), plan, observed);
}

// The queue is there before packets are led into it.
function withHooks(root: DeviceOps, { hooks }: Planned, observed: ObservedDevice): DeviceOps {
  return { ...root, ops: [...root.ops, ...diffHooks(hooks, observed.hooks)] };
}
