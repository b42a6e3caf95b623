// Owns what happens to qubes of the lab after it is up: new ones, such that go, a change of netvm, a restart of a NetVM.
import { inQube, makeNamespace, runOf } from './namespaces.js';
import { setUpNetvm } from './netvm.js';
import { dropLabQube, labQube, putLabQube, qube as qubeOfNumber, type LabQube } from './qubes.js';
import { sh } from './run.js';
import { describe, type Lab } from './topology.js';
import { startClient, stopClient } from './vif.js';

/** Domains get numbers that no other had before. */
let nextDomid = 20;

export interface NewQube {
  readonly name: string;
  /** Its addresses follow from it. */
  readonly number: number;
  readonly netvm: string;
  readonly providesNetwork?: boolean;
  readonly features?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  /** DispVM for a disposable one. */
  readonly class?: 'AppVM' | 'DispVM';
}

/** Creates a qube, as dom0 does, and leaves it halted: it has no vif yet, and nothing of it runs. */
export async function createQube(lab: Lab, created: NewQube): Promise<void> {
  const { name, number, netvm, providesNetwork = false, features = {}, tags = [] } = created;
  putLabQube(qubeOfNumber(name, 0, number, netvm, providesNetwork));
  await makeNamespace(name);
  lab.machine.create({
    ...describe(labQube(name)),
    ...{ running: false, class: created.class ?? 'AppVM', features, tags },
  });
}

/** Starts a halted qube: a new domain, its QubesDB is filled, then its vif comes. */
export async function startQube(lab: Lab, name: string): Promise<void> {
  const before = labQube(name);
  putLabQube({ ...before, domid: nextDomid++ });
  lab.machine.start(name);
  await lab.startQubesdb(name);
  if (before.providesNetwork) await setUpNetvm(name);
  await startClient(name);
}

/** Shuts a qube down. What ran in it is the caller's to stop. */
export async function stopQube(lab: Lab, name: string): Promise<void> {
  await stopClient(name);
  lab.machine.shutdown(name);
  await lab.stopQubesdb(name);
}

/** Shuts down a disposable qube, which is the end of it. */
export async function disposeOf(lab: Lab, name: string): Promise<void> {
  await stopQube(lab, name);
  lab.machine.delete(name);
  dropLabQube(name);
  await sh('ip', 'netns', 'delete', name);
}

/** Changes the netvm of a qube that runs: its vif goes, and another comes elsewhere. */
export async function moveClient(lab: Lab, name: string, netvm: string): Promise<void> {
  await stopClient(name);
  lab.machine.setNetvm(name, netvm);
  putLabQube({ ...labQube(name), netvm });
  await startClient(name);
}

/**
 * Shuts a NetVM down under its clients, which is possible by force: their vifs go with it. Nothing that is in memory there
 * is left. What ran in it is the caller's to stop.
 */
export async function stopNetvm(lab: Lab, name: string, clients: readonly LabQube[]): Promise<void> {
  for (const client of clients) await stopClient(client.name);
  await stopQube(lab, name);
  await inQube(name, 'nft', 'flush', 'ruleset');
  await inQube(name, 'conntrack', '-F');
  await sh('rm', '-rf', `${runOf(name)}/qubes-qos`);
}
