// Owns the text of nft scripts: model and ops -> what `nft -f -` reads, one statement a line.
import { L4_PROTOCOLS } from './model.js';
import type { NftBase, NftChain, NftExpression, NftRule, NftTable, TableId, NftOp } from './model.js';

/** Names of the priorities that we use, as nft prints them (nft(8), "Standard priority names"). */
const PRIORITY_NAMES: Readonly<Record<number, string>> = { [-300]: 'raw', [-150]: 'mangle', 0: 'filter' };

/** One transaction for all the ops; empty for none. */
export function renderNft(ops: readonly NftOp[]): string {
  return ops.map(renderOp).join('');
}

/** A table as a declaration. Text is equal exactly when the tables are, whatever is foreign in them included. */
export function renderTable(table: NftTable): string {
  const parts = [...table.foreign.map((json) => `  # not ours: ${json}\n`), ...table.chains.map(renderChain)];
  return `table ${renderTableId(table.id)} {\n${parts.join('\n')}}\n`;
}

/** `inet qubes-qos-mangle`: how a command names a table. */
export function renderTableId({ family, name }: TableId): string {
  return `${family} ${name}`;
}

function renderOp(op: NftOp): string {
  // Declared first, so that the removal cannot fail: the table may vanish between observe and apply.
  const id = renderTableId(op.op === 'replace' ? op.table.id : op.id);
  const removal = `table ${id}\ndelete table ${id}\n`;
  return op.op === 'replace' ? removal + renderTable(op.table) : removal;
}

function renderChain({ name, base, rules }: NftChain): string {
  const lines = [...(base ? [renderBase(base)] : []), ...rules.map(renderRule)];
  return `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
}

function renderBase({ type, hook, priority, policy, device }: NftBase): string {
  const on = device === undefined ? '' : ` device "${device}"`;
  const shown = PRIORITY_NAMES[priority] ?? String(priority);
  return `type ${type} hook ${hook}${on} priority ${shown}; policy ${policy};`;
}

function renderRule({ expressions, comment }: NftRule): string {
  const end = comment === undefined ? [] : [`comment "${comment}"`];
  return [...expressions.map(renderExpression), ...end].join(' ');
}

function renderExpression(expression: NftExpression): string {
  switch (expression.kind) {
    case 'meta': {
      const { key, op, value } = expression;
      const name = key === 'skuid' || key === 'skgid' ? `meta ${key}` : key;
      return `${name} ${op === '!=' ? '!= ' : ''}${typeof value === 'number' ? value : `"${value}"`}`;
    }
    case 'l4proto':
      return `meta l4proto ${L4_PROTOCOLS[expression.protocol]}`;
    case 'dport': {
      const { protocol, first, last } = expression;
      return `${protocol} dport ${first === last ? first : `${first}-${last}`}`;
    }
    case 'daddr':
      return `${expression.family} daddr ${expression.network}`;
    case 'mark':
      return `meta mark and ${hexWord(expression.mask)} == ${hexWord(expression.value)}`;
    case 'cgroup':
      return `socket cgroupv2 level ${expression.path.split('/').length} "${expression.path}"`;
    case 'dscp':
      return `${expression.family} dscp ${expression.dscp}`;
    case 'ct-mark':
      return `ct mark and ${hexWord(expression.mask)} ${expression.op} ${hexWord(expression.value)}`;
    case 'set-ct-mark':
      return `ct mark set ${hexWord(expression.value)}`;
    case 'set-dscp':
      return `${expression.family} dscp set ${expression.dscp}`;
    case 'verdict':
      return expression.verdict;
    case 'jump':
      return `jump ${expression.chain}`;
    case 'foreign':
      return `# not ours: ${expression.json}`;
  }
}

function hexWord(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
