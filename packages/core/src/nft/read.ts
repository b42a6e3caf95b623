// Owns the reading of `nft -j list table`: JSON -> model. What it does not know it keeps as foreign, because a rule
// that is skipped here would look like one that is not there.
import { CLASSES } from '../classes.js';
import { QosError } from '../errors.js';
import { isObject, operandsOf, type JsonObject } from './json.js';
import {
  ALL_BITS,
  META_KEYS,
  VERDICTS,
  type NftBase,
  type NftChain,
  type NftExpression,
  type NftRule,
  type NftTable,
  type TableId,
} from './model.js';
import { readMatch } from './read-match.js';

/** The version of the JSON that is read here (libnftables-json(5)). */
const SCHEMA_VERSION = 1;

/**
 * Reads what `nft -j list table FAMILY NAME` prints:
 * `{"nftables": [{"metainfo": {…}}, {"table": {…}}, {"chain": {…}}, {"rule": {…, "expr": [{"accept": null}]}}]}`
 * @throws QosError('command') when it is not that.
 */
export function readTable(id: TableId, json: string): NftTable {
  const chains = new Map<string, { name: string; base?: NftBase; rules: NftRule[] }>();
  const foreign: string[] = [];
  for (const [kind, object] of objectsOf(json)) {
    const chain = kind === 'rule' ? chains.get(textOf(object['chain'])) : undefined;
    if (kind === 'table') foreign.push(...foreignOfTable(object));
    else if (kind === 'chain') chains.set(textOf(object['name']), { ...readChain(object), rules: [] });
    else if (chain) chain.rules.push(readRule(object));
    else foreign.push(foreignJson({ [kind]: object }));
  }
  return { id, chains: [...chains.values()], foreign };
}

function* objectsOf(json: string): Generator<[kind: string, object: JsonObject]> {
  for (const entry of entriesOf(json)) {
    for (const [kind, value] of Object.entries(isObject(entry) ? entry : {})) {
      const object = isObject(value) ? value : {};
      if (kind !== 'metainfo') yield [kind, object];
      else if (object['json_schema_version'] !== SCHEMA_VERSION)
        throw unreadable('another version of its JSON');
    }
  }
}

function entriesOf(json: string): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw unreadable('no JSON');
  }
  const entries = isObject(parsed) ? parsed['nftables'] : undefined;
  if (!Array.isArray(entries)) throw unreadable('JSON without "nftables"');
  return entries;
}

/** A dormant table does nothing, so its flags are a difference; its handle and comment are not. */
function foreignOfTable(table: JsonObject): string[] {
  return 'flags' in table ? [foreignJson({ flags: table['flags'] })] : [];
}

function readChain(chain: JsonObject): Omit<NftChain, 'rules'> {
  const name = textOf(chain['name']);
  const { type, hook, prio, policy, dev } = chain;
  if (typeof hook !== 'string') return { name };
  const base: NftBase = {
    type: textOf(type),
    hook,
    priority: typeof prio === 'number' ? prio : Number.NaN,
    policy: policy === 'drop' ? 'drop' : 'accept',
    ...(dev !== undefined && { device: typeof dev === 'string' ? dev : JSON.stringify(dev) }),
  };
  return { name, base };
}

function readRule({ expr, comment }: JsonObject): NftRule {
  const expressions = (Array.isArray(expr) ? expr : [expr]).map(readExpression);
  return { expressions, ...(typeof comment === 'string' && { comment }) };
}

function readExpression(json: unknown): NftExpression {
  const object = isObject(json) ? json : {};
  return (
    readMeta(object) ??
    readDscp(object) ??
    readMatch(object) ??
    readCtMark(object) ??
    readSetCtMark(object) ??
    readSetDscp(object) ??
    readVerdict(object) ??
    readJump(object) ?? { kind: 'foreign', json: foreignJson(json) }
  );
}

/** `{"match": {"op": "==", "left": {"meta": {"key": "oif"}}, "right": "lo"}}` */
function readMeta({ match }: JsonObject): NftExpression | undefined {
  const { op, left, right } = isObject(match) ? match : {};
  const meta = isObject(left) ? left['meta'] : undefined;
  const key = META_KEYS.find((known) => isObject(meta) && meta['key'] === known);
  if (!key || (op !== '==' && op !== '!=')) return undefined;
  if (typeof right !== 'string' && typeof right !== 'number') return undefined;
  return { kind: 'meta', key, op, value: right };
}

/** `{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "dscp"}}, "right": "ef"}}` */
function readDscp({ match }: JsonObject): NftExpression | undefined {
  const { op, left, right } = isObject(match) ? match : {};
  const field = op === '==' && isObject(left) ? dscpField(left) : undefined;
  const dscp = dscpOf(right);
  return field && dscp !== undefined ? { kind: 'dscp', family: field, dscp } : undefined;
}

/** `{"match": {"op": "!=", "left": {"&": [{"ct": {"key": "mark"}}, 50331647]}, "right": 0}}` */
function readCtMark({ match }: JsonObject): NftExpression | undefined {
  const { op, left, right } = isObject(match) ? match : {};
  const [term, mask = ALL_BITS] = operandsOf(left);
  if (!isCtMark(term) || typeof mask !== 'number' || typeof right !== 'number') return undefined;
  return op === '==' || op === '!=' ? { kind: 'ct-mark', mask, op, value: right } : undefined;
}

/** `{"mangle": {"key": {"ct": {"key": "mark"}}, "value": 3103784960}}` */
function readSetCtMark({ mangle }: JsonObject): NftExpression | undefined {
  const { key, value } = isObject(mangle) ? mangle : {};
  return isCtMark(key) && typeof value === 'number' ? { kind: 'set-ct-mark', value } : undefined;
}

/** `{"mangle": {"key": {"payload": {"protocol": "ip6", "field": "dscp"}}, "value": "ef"}}`; or a number as value */
function readSetDscp({ mangle }: JsonObject): NftExpression | undefined {
  const { key, value } = isObject(mangle) ? mangle : {};
  const family = isObject(key) ? dscpField(key) : undefined;
  const dscp = dscpOf(value);
  return family && dscp !== undefined ? { kind: 'set-dscp', family, dscp } : undefined;
}

/** nft writes a code point as a name where it has one. */
function dscpOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : CLASSES.find(({ name }) => name === value)?.dscp;
}

function dscpField({ payload }: JsonObject): 'ip' | 'ip6' | undefined {
  const { protocol, field } = isObject(payload) ? payload : {};
  return field === 'dscp' && (protocol === 'ip' || protocol === 'ip6') ? protocol : undefined;
}

function isCtMark(json: unknown): boolean {
  const ct = isObject(json) ? json['ct'] : undefined;
  return isObject(ct) && ct['key'] === 'mark';
}

/** `{"accept": null}` */
function readVerdict(object: JsonObject): NftExpression | undefined {
  const verdict = VERDICTS.find((known) => known in object);
  return verdict && { kind: 'verdict', verdict };
}

/** `{"jump": {"target": "ownerless"}}` */
function readJump({ jump }: JsonObject): NftExpression | undefined {
  const target = isObject(jump) ? jump['target'] : undefined;
  return typeof target === 'string' ? { kind: 'jump', chain: target } : undefined;
}

function foreignJson(json: unknown): string {
  return JSON.stringify(json ?? null, (key, value: unknown) => (key === 'handle' ? undefined : value));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

function unreadable(found: string): QosError {
  return new QosError('command', `nft -j printed ${found}: expected the JSON of nft 1.1.`);
}
