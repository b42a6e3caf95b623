// Owns the little Qubes as a whole: namespaces, line, NetVMs and clients, and the simulators of qubesd and QubesDB.
import { MachineModel } from '../../sim/machine.js';
import { QubesDb } from '../../sim/qubesdb.js';
import { Qubesd } from '../../sim/qubesd.js';
import { HOME_LINE, makeLine, type Line } from './line.js';
import { makeNamespaces, runOf } from './namespaces.js';
import { setUpNetvm } from './netvm.js';
import { QUBES, choosePresent, labQube, namespacesOf, type LabQube } from './qubes.js';
import { startClient } from './vif.js';

/** The running lab. */
export interface Lab {
  /** What qubesd serves: change features here as another program in dom0 would. */
  readonly machine: MachineModel;
  /** The QubesDB of a running qube. */
  qubesdb(name: string): QubesDb;
  /** Starts a QubesDB for a qube, which dom0 fills before anything else of the qube runs. */
  startQubesdb(name: string): Promise<void>;
  /** Ends it. */
  stopQubesdb(name: string): Promise<void>;
}

/**
 * Makes the lab: call it once in a guest. All qubes run; no program of the suite does.
 * In each qube QubesDB is at /run/qubes/qubesdb.sock, in dom0 qubesd at /var/run/qubesd.sock.
 */
export async function startLab(line: Line = HOME_LINE, qubes: readonly LabQube[] = QUBES): Promise<Lab> {
  choosePresent(qubes);
  await makeNamespaces(namespacesOf(qubes));
  const lab = await startSimulators(qubes);
  await makeLine(line);
  for (const qube of qubes) {
    if (qube.providesNetwork) await setUpNetvm(qube.name);
    if (qube.netvm !== undefined) await startClient(qube.name);
  }
  return lab;
}

async function startSimulators(qubes: readonly LabQube[]): Promise<Lab> {
  const machine = new MachineModel({ qubes: qubes.map(describe) });
  const databases = new Map<string, QubesDb>();
  const startQubesdb = async (name: string): Promise<void> => {
    const database = await QubesDb.listen(`${runOf(name)}/qubes`);
    databases.set(name, database);
    machine.attachQubesdb(name, database);
  };
  for (const { name } of qubes) await startQubesdb(name);
  await Qubesd.listen(`${runOf('dom0')}/qubesd.sock`, machine);
  return {
    machine,
    qubesdb: (name) => databases.get(labQube(name).name)!,
    startQubesdb,
    stopQubesdb: async (name) => databases.get(name)?.close(),
  };
}

/** What qubesd knows of a qube. */
export function describe(qube: LabQube) {
  return {
    name: qube.name,
    running: true,
    netvm: qube.netvm ?? null,
    providesNetwork: qube.providesNetwork,
    ip: qube.ip,
    ip6: qube.ip6,
    xid: qube.domid,
    qid: qube.domid,
  };
}
