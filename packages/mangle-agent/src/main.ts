// Owns the command line of qubes-qos-mangle: arguments, output and exit codes.
import type { Command } from 'commander';
import { QosError } from '@qubes-qos/core/errors';
import { renderNft } from '@qubes-qos/core/nft/render';
import { newProgram, runProgram } from '@qubes-qos/host/command-line';
import { log } from '@qubes-qos/host/journal';
import { checkScript, convergeTable } from '@qubes-qos/host/nft';
import { withQubesDb } from '@qubes-qos/host/qubesdb/client';
import { enforce, warningsOf } from './enforce.js';
import { locateRules } from './locate.js';
import { MANGLE_TABLE, planMangle } from './plan.js';
import { decide, isValid, readSaid, type Said } from './said.js';
import { gatherStatus, renderStatus } from './status.js';
import { watchPolicy } from './watch.js';

interface ShowOptions {
  readonly json?: true;
}

void runProgram(program());

function program(): Command {
  const json = ['--json', 'print JSON, with a version field'] as const;
  const root = newProgram(
    'qubes-qos-mangle',
    "Give this qube's traffic the class that dom0 chose (vm-config.dscp, vm-config.qos-rules).",
  );
  root.command('apply').description('put the policy in force once').action(apply);
  root.command('watch').description('put it in force, again at every change').action(watchPolicy);
  root
    .command('print')
    .description('show the nft script, change nothing')
    .option(...json)
    .action(print);
  root
    .command('check')
    .description("run the script through nft's dry run")
    .option(...json)
    .action(check);
  root
    .command('status')
    .description('show the policy and what is in force')
    .option(...json)
    .action(status);
  root.command('cleanup').description('remove what this program put in force').action(cleanup);
  return root;
}

async function apply(): Promise<void> {
  const said = await withQubesDb(readSaid);
  await enforce(said);
  if (!isValid(said)) process.exitCode = 1;
}

async function print({ json }: ShowOptions): Promise<void> {
  const script = await scriptOfPolicy();
  process.stdout.write(json ? jsonLine({ version: 1, script }) : script);
}

async function check({ json }: ShowOptions): Promise<void> {
  await checkScript(await scriptOfPolicy());
  process.stdout.write(json ? jsonLine({ version: 1, accepted: true }) : 'nft accepts the script\n');
}

async function status({ json }: ShowOptions): Promise<void> {
  const gathered = await gatherStatus();
  process.stdout.write(json ? jsonLine(gathered) : renderStatus(gathered));
  if (gathered.policy === null || gathered.inForce === null) process.exitCode = 1;
}

async function cleanup(): Promise<void> {
  const isChanged = await convergeTable(MANGLE_TABLE, undefined);
  log('info', isChanged ? 'our nft table is removed: no marks' : 'our nft table was not there: no marks');
}

/** The whole script of the policy, whatever is in force now: it replaces or removes the table. */
async function scriptOfPolicy(): Promise<string> {
  const said = await withQubesDb(readSaid);
  const valid = isValid(said) ? decide(said, undefined) : undefined;
  if (valid === undefined) throw noScript(said);
  const located = await locateRules(valid.rules);
  for (const sentence of warningsOf({ rules: said.rules, leftOut: located.leftOut }))
    log('warning', sentence);
  const table = planMangle(valid.className, located.rules);
  return renderNft([table ? { op: 'replace', table } : { op: 'delete', id: MANGLE_TABLE }]);
}

function noScript({ path, policy, rulesPath, rules }: Said): QosError {
  const reasons = [
    ...(policy.state === 'invalid' ? [`${path} is invalid, ${policy.reason}`] : []),
    ...(rules.state === 'invalid' ? [`${rulesPath} is invalid, ${rules.reason}`] : []),
  ];
  return new QosError('policy', `${reasons.join('; ')}; there is no script for it.`);
}

function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
