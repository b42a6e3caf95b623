// Owns the suite at work in the lab: the agents in their qubes, and qvm-qos in dom0, all as a user has them.
import { bandBytes } from './measure.js';
import { inQube, inQubeWith, startInQube } from './namespaces.js';
import { NIC } from './qubes.js';
import { until, type Background } from './run.js';

/** The agents that run, by `<program> in <qube>`. */
export type Agents = ReadonlyMap<string, Background>;

const MANGLE = ['work', 'personal', 'untrusted'];
/** Five programs start at once; in the shell, on a busy host, that takes long. */
const PATIENCE_MS = 60_000;

const TC = ['sys-net', 'sys-firewall'];

/**
 * Starts the agents, in the foreground as by hand, and waits until the tc agents have put their bands in place.
 * @param mangle - the qubes that have one of their own; in the others nothing of ours runs.
 */
export async function startAgents({ mangle = MANGLE }: { mangle?: readonly string[] } = {}): Promise<Agents> {
  const agents = new Map<string, Background>();
  for (const qube of mangle) agents.set(`mangle in ${qube}`, startInQube(qube, 'qubes-qos-mangle', 'watch'));
  for (const qube of TC) agents.set(`tc in ${qube}`, startInQube(qube, 'qubes-qos-tc', 'run'));
  await withAgents(agents, async () => {
    await until('bands in sys-net', async () => (await bandBytes('sys-net', NIC)).length > 0, PATIENCE_MS);
    await until(
      'bands in sys-firewall',
      async () => (await bandBytes('sys-firewall', 'eth0')).length > 0,
      PATIENCE_MS,
    );
  });
  return agents;
}

/** Stops the agents; what they put in place stays. */
export async function stopAgents(agents: Agents): Promise<void> {
  await Promise.all([...agents.values()].map((agent) => agent.stop()));
}

/** Types a command in dom0 and returns what it printed, both outputs. */
export async function inDom0(...argv: string[]): Promise<string> {
  const { stdout, stderr } = await inQubeWith({}, 'dom0', ...argv);
  return stdout + stderr;
}

/** Waits until a qube marks what it sends as this class, without looking into the agent: by nft alone. */
export async function untilMarked(agents: Agents, qube: string, className: string): Promise<void> {
  await withAgents(agents, async () => {
    await until(`${qube} marks ${className}`, async () => {
      const { stdout } = await inQubeWith(
        { okCodes: [0, 1] },
        qube,
        'nft',
        'list',
        'table',
        'inet',
        'qubes-qos-mangle',
      );
      return stdout.includes(`ip dscp set ${className}`) && stdout.includes(`ip6 dscp set ${className}`);
    });
  });
}

/** Waits until sys-net shapes its card. */
export async function untilShaped(agents: Agents): Promise<void> {
  await withAgents(agents, async () => {
    await until('sys-net shapes', async () =>
      (await inQube('sys-net', 'tc', 'qdisc', 'show', 'dev', NIC)).includes('htb'),
    );
  });
}

/** A wait that fails is the agents' fault more often than not: what they printed is in the message. */
async function withAgents(agents: Agents, wait: () => Promise<void>): Promise<void> {
  try {
    await wait();
  } catch (error) {
    const printed = [...agents].map(
      ([name, agent]) =>
        `${name} (${agent.ended() === undefined ? 'runs' : `ended with ${agent.ended() ?? ''}`}):\n${agent.output()}`,
    );
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${printed.join('\n')}`, {
      cause: error,
    });
  }
}
