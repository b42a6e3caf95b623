// Owns the talk with tc: everything shown in one process, everything changed in one more.
import { QosError } from '@qubes-qos/core/errors';
import { EF_FILTER_PARENTS, onSide } from '@qubes-qos/core/tc/handles';
import type { ObservedHooks } from '@qubes-qos/core/tc/hooks/model';
import { readHooks } from '@qubes-qos/core/tc/hooks/read';
import type { ObservedDevice } from '@qubes-qos/core/tc/model';
import { nameMatches, readQdiscList, readTree, type QdiscJson } from '@qubes-qos/core/tc/read';
import type { TcScript } from '@qubes-qos/core/tc/render';
import { parseJsonLines } from './json-lines.js';
import { run } from './process.js';

/** Where filters of ours can stand: at the root, or at the qdisc below it, on either side. */
const FILTER_PARENTS = ['51:', '52:', '61:', '62:'];
/** Where they can stand on a line, on either side. */
const LINE_PARENTS = [
  ...FILTER_PARENTS,
  ...EF_FILTER_PARENTS,
  ...EF_FILTER_PARENTS.map((parent) => onSide(parent, '6')),
];

/** A line of a script that the kernel or tc refused. */
export interface TcFailure {
  readonly ifname: string;
  /** The refused command. */
  readonly command: string;
  /** What tc said, one line. */
  readonly message: string;
}

/**
 * What stands at the root of each of the devices and hangs on its hooks, in one process. A device that vanished meanwhile is left out.
 * @throws QosError of `run`, or `protocol` when the output does not fit the commands.
 * @param lines - devices on which EF may have many queues: there is more to ask of them.
 */
export async function observeTc(
  ifnames: readonly string[],
  lines: ReadonlySet<string> = new Set(),
): Promise<Map<string, ObservedDevice>> {
  const parentsOf = (ifname: string) => (lines.has(ifname) ? LINE_PARENTS : FILTER_PARENTS);
  const shows = ifnames.map((ifname) => showDevice(ifname, parentsOf(ifname)));
  const commands = ['qdisc show', ...shows.flat()];
  const { stdout, stderr } = await run(['tc', '-force', '-d', '-j', '-batch', '-'], {
    stdin: commands.map((line) => `${line}\n`).join(''),
    okCodes: [0, 1],
  });
  const answers = byLine(
    parseJsonLines(nameMatches(stdout), 'tc'),
    commands.length,
    new Set(failedLines(stderr).keys()),
  );
  const qdiscs = readQdiscList(answers[0]);
  let next = 1;
  return new Map(
    ifnames.flatMap((ifname, index) => {
      const first = next;
      next += shows[index]?.length ?? 0;
      const [classes, ingress, egress, ...filters] = answers.slice(first, next);
      if (classes === undefined) return [];
      const own = qdiscs.filter(({ dev }) => dev === ifname);
      const root = readTree({
        qdiscs: own,
        classes: asList(classes),
        filters: parentsOf(ifname).map((parent, position) => ({ parent, list: asList(filters[position]) })),
      });
      const hooks = readHooks(hookQdisc(own), { ingress: asList(ingress), egress: asList(egress) });
      return [[ifname, { ...root, hooks }]];
    }),
  );
}

/**
 * Runs a script in one process. tc goes on after a refused line, so that one interface that vanished does not
 * keep the others from theirs.
 * @returns the refused lines; none when all went well.
 */
export async function applyTc(script: TcScript): Promise<TcFailure[]> {
  const { stderr } = await run(['tc', '-force', '-batch', '-'], { stdin: script.text, okCodes: [0, 1, 2] });
  const commands = script.text.split('\n');
  return [...failedLines(stderr)].map(([line, message]) => ({
    ifname: script.devices[line - 1] ?? '',
    command: commands[line - 1] ?? '',
    message,
  }));
}

function showDevice(ifname: string, parents: readonly string[]): string[] {
  return [
    `class show dev ${ifname}`,
    `filter show dev ${ifname} ingress`,
    `filter show dev ${ifname} egress`,
    ...parents.map((parent) => `filter show dev ${ifname} parent ${parent}`),
  ];
}

function hookQdisc(qdiscs: readonly QdiscJson[]): ObservedHooks['qdisc'] {
  if (qdiscs.some(({ kind }) => kind === 'clsact')) return 'clsact';
  return qdiscs.some(({ kind }) => kind === 'ingress') ? 'ingress' : 'none';
}

/** Line number -> what was said before `Command failed -:N`. */
function failedLines(stderr: string): Map<number, string> {
  const failures = new Map<number, string>();
  let said: string[] = [];
  for (const line of stderr.split('\n')) {
    const failed = /^Command failed -:(\d+)$/.exec(line);
    if (failed) {
      failures.set(Number(failed[1]), said.join('; '));
      said = [];
    } else if (line.trim() !== '') {
      said.push(line.trim());
    }
  }
  return failures;
}

/** Puts the answers where their commands were: a refused command has none. */
function byLine(answers: readonly unknown[], lines: number, failed: ReadonlySet<number>): unknown[] {
  if (answers.length + failed.size !== lines) {
    throw new QosError(
      'protocol',
      `tc answered ${answers.length} of ${lines} commands and refused ${failed.size}: expected one or the other for each.`,
    );
  }
  const rest = answers.values();
  return Array.from({ length: lines }, (_, index) => (failed.has(index + 1) ? undefined : rest.next().value));
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** `tc -s -j qdisc show` of all devices, for readBandCounters. */
export async function observeCounters(): Promise<unknown> {
  const { stdout } = await run(['tc', '-s', '-j', 'qdisc', 'show']);
  return parseJsonLines(stdout, 'tc')[0] ?? [];
}
