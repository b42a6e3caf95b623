// Owns the reading of what tc shows of the hooks.
import * as z from 'zod/mini';
import { dscpOf } from '../dscp-match.js';
import { PREFERENCES, type Hook, type ObservedFilter, type ObservedHooks } from './model.js';

// {"protocol":"all","pref":5103,"kind":"matchall","chain":0,"options":{"handle":1,"actions":[{"order":1,"kind":"ctinfo",…},
//  {"order":2,"kind":"mirred","mirred_action":"redirect","direction":"egress","to_dev":"qos-2",…}]}}
const hookFilterJson = z.looseObject({
  protocol: z.string(),
  pref: z.number(),
  kind: z.string(),
  chain: z.optional(z.number()),
  options: z.optional(
    z.looseObject({
      handle: z.optional(z.number()),
      fh: z.optional(z.string()),
      match: z.optional(z.looseObject({ value: z.string(), mask: z.string(), off: z.number() })),
      actions: z.optional(
        z.array(
          z.looseObject({
            kind: z.string(),
            to_dev: z.optional(z.string()),
            control_action: z.optional(z.looseObject({ type: z.string() })),
          }),
        ),
      ),
    }),
  ),
});

/** The classifiers of our filters. */
const KINDS: ReadonlySet<string> = new Set(['matchall', 'flower']);

/** Reads `tc -j filter show dev X ingress` and `… egress`. Throws a ZodError when the shape is another. */
export function readHooks(
  qdisc: ObservedHooks['qdisc'],
  lists: Readonly<Record<Hook, readonly unknown[]>>,
): ObservedHooks {
  const all = (['ingress', 'egress'] as const).flatMap((hook) =>
    // The first rows of a preference announce it, and the hash table of u32.
    lists[hook]
      .map((item) => hookFilterJson.parse(item))
      .filter(({ options }) => options !== undefined && options.fh?.endsWith(':') !== true)
      .map((json) => ({ hook, json })),
  );
  const isOurs = ({ pref }: { pref: number }): boolean =>
    pref >= PREFERENCES.first && pref < PREFERENCES.first + PREFERENCES.count;
  const ours = all.filter(({ json }) => isOurs(json));
  return {
    qdisc,
    ours: ours.map(({ hook, json: { pref, protocol, kind, options } }) => ({
      ...{ hook, protocol, slot: pref - PREFERENCES.first },
      mark: KINDS.has(kind) ? options?.handle : undefined,
      ...(kind === 'flower' && { isFlower: true }),
      to: options?.actions?.find((action) => action.to_dev !== undefined)?.to_dev,
      ...passedDscp(protocol, kind, options),
    })),
    others: all.length - ours.length,
  };
}

/** Its DSCP, when the filter lets packets of one pass and does nothing else. */
function passedDscp(
  protocol: string,
  kind: string,
  { match, actions }: z.infer<typeof hookFilterJson>['options'] = {},
): Pick<ObservedFilter, 'dscp'> {
  const [action, ...others] = actions ?? [];
  const passes = action?.kind === 'gact' && action.control_action?.type === 'pass' && others.length === 0;
  if (kind !== 'u32' || !passes || !match || (protocol !== 'ip' && protocol !== 'ipv6')) return {};
  const dscp = dscpOf(protocol, match);
  return dscp === undefined ? {} : { dscp };
}
