// Owns what the service knows of the machine, and makes the derived features follow it.
import { messageOf, QosError } from '@qubes-qos/core/errors';
import { FEATURE } from '../feature-names.js';
import { inParallel } from '../in-parallel.js';
import { planPublication } from '../publish/desired.js';
import { diffPublication, type FeatureChange } from '../publish/diff.js';
import { writeChanges } from '../publish/publish.js';
import { readQube } from '../publish/read-system.js';
import type { QubeFacts } from '../publish/system.js';
import { isLocal, listLocalQubes, listQubes, type AdminCall } from '../qubesd/admin.js';
import type { Stale } from './stale.js';

/** What one pass did. */
export interface Pass {
  readonly changes: readonly FeatureChange[];
  readonly problems: readonly string[];
  /** True when something was refused, or may have changed meanwhile. */
  readonly isOpen: boolean;
  /** What is told to NetVMs, for people. */
  readonly summary: string;
}

/** Keeps what was read until an event says that it is stale: the cost of a change is that of the qubes it is about. */
export class Publisher {
  readonly #call: AdminCall;
  readonly #facts = new Map<string, QubeFacts>();
  #stale = new Set<string>();
  #isAllStale = true;

  constructor(call: AdminCall) {
    this.#call = call;
  }

  /** Has something to be read again. */
  markStale(stale: Stale): void {
    if (stale === 'all') this.#isAllStale = true;
    else if (stale !== 'nothing') this.#stale.add(stale.qube);
  }

  /** Reads what is stale, and writes what then differs. @throws as AdminCall; then all is stale */
  async pass(): Promise<Pass> {
    const isAll = this.#isAllStale;
    const names = this.#stale;
    // Before the read: what changes during it is stale again.
    this.#isAllStale = false;
    this.#stale = new Set();
    try {
      await (isAll ? this.#readAll() : this.#readSome([...names]));
      return await this.#write();
    } catch (error) {
      this.#isAllStale = true;
      throw error;
    }
  }

  async #readAll(): Promise<void> {
    const listed = await listLocalQubes(this.#call);
    const all = await inParallel(listed, (qube) => readQube(this.#call, qube));
    this.#facts.clear();
    for (const facts of all) if (facts !== undefined) this.#facts.set(facts.name, facts);
  }

  async #readSome(names: readonly string[]): Promise<void> {
    await inParallel(names, async (name) => {
      const facts = await this.#readOne(name);
      if (facts === undefined) this.#facts.delete(name);
      else this.#facts.set(name, facts);
    });
  }

  async #readOne(name: string): Promise<QubeFacts | undefined> {
    const known = this.#facts.get(name);
    if (known?.klass === 'AdminVM') return readQube(this.#call, known);
    try {
      const [listed] = await listQubes(this.#call, name);
      return listed === undefined || !isLocal(listed) ? undefined : await readQube(this.#call, listed);
    } catch (error) {
      if (error instanceof QosError && error.kind === 'no-such-domain') return undefined;
      throw error;
    }
  }

  async #write(): Promise<Pass> {
    const system = { qubes: [...this.#facts.values()] };
    const publication = planPublication(system);
    const outcomes = await writeChanges(this.#call, diffPublication(system, publication));
    const refused = outcomes.filter(({ error }) => error !== undefined);
    // What was written is read again: only that tells what is there now.
    for (const { change } of outcomes) this.#stale.add(change.qube);
    const entries = [...publication.derived.values()].flatMap((features) =>
      [...features.keys()].filter((feature) => feature.startsWith(FEATURE.clientPrefix)),
    );
    return {
      changes: outcomes.filter(({ error }) => error === undefined).map(({ change }) => change),
      problems: [
        ...refused.map(({ change, error }) => `${change.qube}: ${change.feature}: ${messageOf(error)}`),
        ...publication.warnings,
      ],
      isOpen: outcomes.length > 0,
      summary: `${entries.length} ${entries.length === 1 ? 'client' : 'clients'} told to ${publication.firstHops.length} NetVMs`,
    };
  }
}
