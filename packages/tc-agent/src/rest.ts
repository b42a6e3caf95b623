// Owns how the service rests: one pass that leaves nothing to do, and then no Node process until the next event.
import type { Socket } from 'node:net';
import { messageOf } from '@qubes-qos/core/errors';
import { VM_CONFIG_PATH_PREFIX } from '@qubes-qos/core/vm-config';
import { handOver } from '@qubes-qos/host/hand-over';
import { log } from '@qubes-qos/host/journal';
import { startNetworkSource } from '@qubes-qos/host/links';
import { endProcess, type Source } from '@qubes-qos/host/process';
import { QubesDbConnection } from '@qubes-qos/host/qubesdb/connection';
import type { Agent } from './agent.js';
import { keptEnvironment } from './kept.js';
import { readDom0 } from './settings.js';

/**
 * Waits for the first of three: an event of QubesDB (descriptor 0), a line of `ip monitor` (3), the slow pass. The end
 * of either counts as an event. Then it becomes the agent again, as the same process, so that systemd has nothing to do
 * with it and nothing to say. A stop takes the others along. `wait -n` is of bash alone, and --norc because
 * bash takes a socket for a remote login. SIGPIPE, because bash reports who died of SIGTERM.
 */
const WAIT = `
trap 'kill -PIPE "$db" "$net" "$clock" "$2" 2>/dev/null; exit' TERM
exec 4<&0 </dev/null
head -c 1 <&4 & db=$!
head -c 1 <&3 & net=$!
sleep "$1" & clock=$!
wait -n "$db" "$net" "$clock"
kill -PIPE "$db" "$net" "$clock" "$2" 2>/dev/null
wait
shift 2
exec 3<&- 4<&-
exec "$@"
`;

/**
 * One pass with both subscriptions open before it, and the hand-over to the waiter when it changed nothing: then what
 * happens from the subscription on wakes the waiter at once.
 * @param slowPassMs - after which the next pass comes without an event.
 * @returns false when there is something left to do here, or no QubesDB to wait for.
 */
export async function rest(agent: Agent, slowPassMs: number): Promise<boolean> {
  const network = await startNetworkSource();
  const db = await QubesDbConnection.open().catch(() => undefined);
  try {
    const socket = db && (await settle(agent, db, network));
    if (socket) await leave(agent, socket, network, slowPassMs);
    else network.stop();
    return socket !== undefined;
  } catch (error) {
    log('warning', `cannot rest, and stay a while: ${messageOf(error)}`);
    network.stop();
    return false;
  } finally {
    db?.close();
  }
}

/** The socket of QubesDB, when the pass left nothing to do and nothing has happened since. */
async function settle(agent: Agent, db: QubesDbConnection, network: Source): Promise<Socket | undefined> {
  await db.watch(VM_CONFIG_PATH_PREFIX);
  db.takeEvents();
  agent.takeDom0(await readDom0(db));
  const { again, isChanged } = await agent.pass();
  return again || isChanged || network.hasPrinted() ? undefined : db.release();
}

async function leave(agent: Agent, db: Socket, network: Source, slowPassMs: number): Promise<void> {
  const seconds = String(slowPassMs / 1000);
  const again = [process.execPath, process.argv[1] ?? '', 'run'];
  await handOver(
    {
      argv: ['bash', '--norc', '-c', WAIT, 'qubes-qos-tc', seconds, String(network.pid), ...again],
      sockets: [db, network.socket],
      env: keptEnvironment(agent.kept),
    },
    agent.status,
  );
  // What it printed meanwhile was read here and not by the waiter. Its end is an event, too.
  if (network.hasPrinted()) endProcess(network.pid);
  network.socket.destroy();
}
