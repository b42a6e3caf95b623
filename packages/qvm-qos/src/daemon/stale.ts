// Owns what an event makes stale: one qube, all, or nothing. Pure.
import { isOurFeature } from '../feature-names.js';
import type { AdminEvent } from '../qubesd/codec.js';

/** A qube to read again, all of them, or nothing. */
export type Stale = { readonly qube: string } | 'all' | 'nothing';

/** What a client's address and place follow from; some are of the machine as a whole. */
const PROPERTIES: readonly string[] = ['netvm', 'ip', 'ip6', 'provides_network', 'default_netvm'];

/** Features that change addresses of other qubes, since they are looked for along the chain of netvms. */
const INHERITED: readonly string[] = ['ipv6'];

/** Starts and ends come without a change of what is read, most often; reading one qube again costs little. */
const LIFE: readonly string[] = ['domain-pre-start', 'domain-start', 'domain-shutdown', 'net-domain-connect'];

const ADDED: readonly string[] = ['domain-add', 'domain-delete'];

/** Everything that publication is computed from comes with an event of its own. */
export function staleAfter({ subject, event, kwargs }: AdminEvent): Stale {
  const [kind = '', name = ''] = splitOnce(event, ':');
  if (event === 'connection-established') return 'all';
  if (ADDED.includes(event)) return asQube(kwargs.get('vm') ?? '');
  if (LIFE.includes(event)) return asQube(subject);
  if (kind === 'property-set' || kind === 'property-reset' || kind === 'property-del')
    return PROPERTIES.includes(name) ? asQube(subject) : 'nothing';
  if (kind === 'domain-tag-add' || kind === 'domain-tag-delete') return asQube(subject);
  if (kind !== 'domain-feature-set' && kind !== 'domain-feature-delete') return 'nothing';
  if (INHERITED.includes(name)) return 'all';
  return isOurFeature(name) ? asQube(subject) : 'nothing';
}

/** An empty subject is the machine as a whole. */
function asQube(name: string): Stale {
  return name === '' ? 'all' : { qube: name };
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
