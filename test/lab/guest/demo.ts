// Owns the story of the demonstration: the line without us, the two commands in dom0 during a call, the line with us.
import { inDom0, startAgents, untilMarked, untilShaped } from './agents.js';
import { measure, type Row } from './measure.js';
import { record } from './record.js';
import { sleep } from './run.js';
import { startLab } from './topology.js';
import { runTraffic, WARM_UP_MS, type Family, type Probe } from './traffic.js';

/** The lines of the table. */
export type DemoState = 'idle' | 'without' | 'with';

/** A command typed in dom0, and when: seconds after the start of the call. */
export interface TypedCommand {
  readonly text: string;
  readonly atS: number;
  readonly printed: string;
}

/** What the guest tells while the demonstration runs. */
export type DemoRecord =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'row'; readonly state: DemoState; readonly family: Family; readonly row: Row }
  | {
      readonly kind: 'live';
      readonly seconds: number;
      readonly probes: readonly Probe[];
      readonly typed: readonly TypedCommand[];
    };

const FAMILIES: readonly Family[] = ['ip', 'ip6'];
const SECONDS = 10;
const LIVE_SECONDS = 24;
const LIVE_TYPED_AT_S = 5;

/** Runs the demonstration; about 130 s of the guest's time. */
export async function runDemo(): Promise<void> {
  step('starting dom0, sys-net, sys-firewall, work, personal, untrusted, a modem and an Internet');
  await startLab();
  for (const family of FAMILIES) {
    step(`${nameOf(family)}: the call alone on the line, then against the uploads, without us`);
    await row('idle', family, false, SECONDS / 2);
    await row('without', family, true, SECONDS);
  }
  step('starting the agents: qubes-qos-mangle in the qubes, qubes-qos-tc in sys-firewall and sys-net');
  const agents = await startAgents();
  await inDom0('qvm-qos', 'set', 'untrusted', 'cs1');
  await untilMarked(agents, 'untrusted', 'cs1');
  step('a call during which two commands are typed in dom0');
  await live();
  await untilShaped(agents);
  await untilMarked(agents, 'work', 'ef');
  for (const family of FAMILIES) {
    step(`${nameOf(family)}: the call against the uploads, with us`);
    await row('with', family, true, SECONDS);
  }
}

async function live(): Promise<void> {
  const commands = [
    ['qvm-qos', 'uplink', 'sys-net', '--up', '10mbit'],
    ['qvm-qos', 'set', 'work', 'ef'],
  ];
  const typed: TypedCommand[] = [];
  const start = performance.now() + WARM_UP_MS;
  const type = async () => {
    await sleep(WARM_UP_MS + LIVE_TYPED_AT_S * 1000);
    for (const command of commands) {
      const atS = (performance.now() - start) / 1000;
      typed.push({ text: command.join(' '), atS, printed: await inDom0(...command) });
    }
  };
  const traffic = runTraffic({ family: 'ip', load: true, phaseMs: 0, seconds: LIVE_SECONDS });
  const [{ probes }] = await Promise.all([traffic, type()]);
  tell({ kind: 'live', seconds: LIVE_SECONDS, probes, typed });
}

async function row(state: DemoState, family: Family, load: boolean, seconds: number): Promise<void> {
  tell({ kind: 'row', state, family, row: await measure({ family, load, phaseMs: 0, seconds }) });
}

function step(text: string): void {
  tell({ kind: 'step', text });
}

function tell(value: DemoRecord): void {
  record(value);
}

function nameOf(family: Family): string {
  return family === 'ip' ? 'IPv4' : 'IPv6';
}
