// Owns tables for the tests of core/nft, and what nft 1.1 prints for them.
import { ALL_BITS } from '@qubes-qos/core/nft/model';
import type { NftExpression, NftRule, NftTable, TableId } from '@qubes-qos/core/nft/model';

export const ID: TableId = { family: 'inet', name: 'example' };

/** A table with one output chain. */
export function tableOf(...rules: NftExpression[][]): NftTable {
  return {
    id: ID,
    chains: [
      {
        name: 'output',
        base: { type: 'filter', hook: 'output', priority: -150, policy: 'accept' },
        rules: rules.map((expressions) => ({ expressions })),
      },
    ],
    foreign: [],
  };
}

/** The JSON that nft prints for a table whose expressions are all known. */
export function listing(table: NftTable): string {
  const { family, name } = table.id;
  const of = { family, table: name };
  const objects: unknown[] = [
    { metainfo: { version: '1.1.3', release_name: 'Commodore Bullmoose #4', json_schema_version: 1 } },
    { table: { family, name, handle: 7 } },
    ...table.chains.map(({ name: chain, base }) => ({
      chain: {
        ...of,
        name: chain,
        handle: 1,
        ...(base && { type: base.type, hook: base.hook, prio: base.priority, policy: base.policy }),
        ...(base?.device !== undefined && { dev: base.device }),
      },
    })),
    ...table.chains.flatMap(({ name: chain, rules }) =>
      rules.map((rule, index) => ({ rule: { ...of, chain, handle: index + 2, ...jsonOfRule(rule) } })),
    ),
  ];
  return JSON.stringify({ nftables: objects });
}

function jsonOfRule({ expressions, comment }: NftRule): object {
  return { ...(comment !== undefined && { comment }), expr: expressions.map(jsonOfExpression) };
}

function jsonOfExpression(expression: NftExpression): unknown {
  switch (expression.kind) {
    case 'meta':
      return {
        match: { op: expression.op, left: { meta: { key: expression.key } }, right: expression.value },
      };
    case 'set-dscp':
      return {
        mangle: {
          key: { payload: { protocol: expression.family, field: 'dscp' } },
          value: DSCP_NAMES[expression.dscp] ?? expression.dscp,
        },
      };
    case 'dscp':
      return {
        match: {
          op: '==',
          left: { payload: { protocol: expression.family, field: 'dscp' } },
          right: DSCP_NAMES[expression.dscp] ?? expression.dscp,
        },
      };
    case 'l4proto':
      return equal({ meta: { key: 'l4proto' } }, expression.protocol);
    case 'dport': {
      const { protocol, first, last } = expression;
      const right = first === last ? first : { range: [first, last] };
      return equal({ payload: { protocol, field: 'dport' } }, right);
    }
    case 'daddr': {
      const { family, network } = expression;
      const [addr = '', length = ''] = network.split('/');
      const isAddress = length === (family === 'ip' ? '32' : '128');
      const right = isAddress ? addr : { prefix: { addr, len: Number(length) } };
      return equal({ payload: { protocol: family, field: 'daddr' } }, right);
    }
    case 'mark':
      return equal(masked({ meta: { key: 'mark' } }, expression.mask), expression.value);
    case 'cgroup':
      return equal({ socket: { key: 'cgroupv2' } }, expression.path);
    case 'ct-mark': {
      const { mask, op, value } = expression;
      return { match: { op, left: masked({ ct: { key: 'mark' } }, mask), right: value } };
    }
    case 'set-ct-mark':
      return { mangle: { key: { ct: { key: 'mark' } }, value: expression.value } };
    case 'verdict':
      return { [expression.verdict]: null };
    case 'jump':
      return { jump: { target: expression.chain } };
    case 'foreign':
      return JSON.parse(expression.json);
  }
}

function equal(left: object, right: unknown): object {
  return { match: { op: '==', left, right } };
}

/** A comparison of all bits is listed without the mask. */
function masked(term: object, mask: number): object {
  return mask === ALL_BITS ? term : { '&': [term, mask] };
}

/** How nft names the code points that it names (nft describe ip dscp), as far as the tests use them. */
const DSCP_NAMES: Readonly<Record<number, string>> = { 0: 'cs0', 8: 'cs1', 16: 'cs2', 40: 'cs5', 46: 'ef' };
