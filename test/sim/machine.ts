// Owns a simulated machine: its qubes, what qubesd does to them, and the events that this causes.
import { newQube } from './machine-qube.js';
import {
  AdminFault,
  type MachineDescription,
  type MachineEvent,
  type Qube,
  type QubeDescription,
  type QubesdbWriter,
} from './machine-types.js';
import { exportAll, exportClients, exportFeature, unexportFeature } from './vm-config-export.js';

type Listener = (event: MachineEvent) => void;

/** Qubes as qubesd keeps them. Every change emits the events of the real one, in their order. */
export class MachineModel {
  readonly #qubes = new Map<string, Qube>();
  readonly #listeners = new Set<Listener>();
  #defaultNetvm: string | null;
  #nextXid = 100;

  constructor(description: MachineDescription) {
    const dom0 = description.qubes.some((qube) => qube.name === 'dom0')
      ? []
      : [{ name: 'dom0', class: 'AdminVM' } as const];
    [...dom0, ...description.qubes].forEach((qube, index) => {
      this.#qubes.set(qube.name, newQube(qube, index));
    });
    this.#defaultNetvm = description.defaultNetvm ?? null;
  }

  /** All qubes, dom0 first, then by name. */
  qubes(): Qube[] {
    return [...this.#qubes.values()].sort((a, b) => {
      if (a.class === 'AdminVM' || b.class === 'AdminVM') return a.class === 'AdminVM' ? -1 : 1;
      return a.name < b.name ? -1 : 1;
    });
  }

  /** @throws AdminFault as qubesd does for a name that is unknown or cannot be one */
  qube(name: string): Qube {
    const qube = this.#qubes.get(name);
    if (qube) return qube;
    if (!/^[A-Za-z][A-Za-z0-9_.-]{0,30}$/.test(name)) {
      throw new AdminFault('QubesValueError', 'VM name contains illegal characters');
    }
    throw new AdminFault('QubesVMNotFoundError', `No such domain: '${name}'`);
  }

  /** The netvm in effect: its own, or the machine's default; null for none. */
  netvmOf(qube: Qube): string | null {
    if (qube.class === 'AdminVM' || qube.class === 'RemoteVM') return null;
    return qube.netvm === undefined ? this.#defaultNetvm : qube.netvm;
  }

  get defaultNetvm(): string | null {
    return this.#defaultNetvm;
  }

  /** Calls the listener at every event until the returned function is called. */
  onEvent(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives a qube its QubesDB; when the qube already runs, it is filled at once. */
  attachQubesdb(name: string, qubesdb: QubesdbWriter): void {
    const qube = this.qube(name);
    qube.qubesdb = qubesdb;
    if (qube.state !== 'Running') return;
    exportAll(this, qube);
    if (qube.providesNetwork === true) exportClients(this, qube);
  }

  /** Starts a qube, its netvm first. QubesDB is filled before anything of the qube runs; if that fails, so does the start. */
  start(name: string): void {
    const qube = this.qube(name);
    if (qube.state === 'Running') return;
    const netvm = this.netvmOf(qube);
    if (netvm !== null) this.start(netvm);
    this.#emit(name, 'domain-pre-start');
    qube.state = 'Running';
    qube.xid = this.#nextXid++;
    this.#emit(name, 'property-reset:xid', { name: 'xid' });
    this.#emit(name, 'property-reset:start_time', { name: 'start_time' });
    this.#emit(name, 'domain-spawn');
    try {
      exportAll(this, qube);
    } catch (error) {
      qube.state = 'Halted';
      qube.xid = -1;
      this.#emit(name, 'domain-start-failed', { reason: String(error) });
      throw error;
    }
    if (qube.providesNetwork === true) exportClients(this, qube);
    if (netvm !== null) exportClients(this, this.qube(netvm));
    for (const event of ['domain-qdb-create', 'domain-pre-unpaused', 'domain-unpaused'])
      this.#emit(name, event);
    this.#emit(name, 'domain-start', { start_guid: 'True' });
  }

  /** Ends a qube; its QubesDB goes with it. */
  shutdown(name: string): void {
    const qube = this.qube(name);
    if (qube.state === 'Halted') return;
    this.#emit(name, 'domain-pre-shutdown', { force: 'False' });
    qube.state = 'Halted';
    qube.xid = -1;
    qube.qubesdb = undefined;
    this.#emit(name, 'domain-stopped');
    for (const property of ['xid', 'stubdom_xid', 'start_time']) {
      this.#emit(name, `property-reset:${property}`, { name: property });
    }
    this.#emit(name, 'domain-shutdown');
  }

  /** Stores first and checks afterwards, as qubesd does: a refused feature stays stored. */
  setFeature(name: string, feature: string, value: string): void {
    const qube = this.qube(name);
    const old = qube.features.get(feature);
    const kwargs = { feature, value, ...(old === undefined ? {} : { oldvalue: old }) };
    this.#emit(name, `domain-feature-pre-set:${feature}`, kwargs);
    qube.features.set(feature, value);
    exportFeature(qube, feature, value);
    this.#emit(name, `domain-feature-set:${feature}`, kwargs);
  }

  removeFeature(name: string, feature: string): void {
    const qube = this.qube(name);
    this.feature(qube, feature);
    this.#emit(name, `domain-feature-pre-delete:${feature}`, { feature });
    qube.features.delete(feature);
    unexportFeature(qube, feature);
    this.#emit(name, `domain-feature-delete:${feature}`, { feature });
  }

  /** @throws AdminFault when it is not set */
  feature(qube: Qube, feature: string): string {
    const value = qube.features.get(feature);
    if (value !== undefined) return value;
    throw new AdminFault('QubesFeatureNotFoundError', `Feature not set for domain ${qube.name}: ${feature}`);
  }

  addTag(name: string, tag: string): void {
    const { tags } = this.qube(name);
    if (tags.has(tag)) return;
    tags.add(tag);
    this.#emit(name, `domain-tag-add:${tag}`, { tag });
  }

  removeTag(name: string, tag: string): void {
    if (!this.qube(name).tags.delete(tag)) {
      throw new AdminFault('QubesTagNotFoundError', `Tag not set for domain ${name}: ${tag}`);
    }
    this.#emit(name, `domain-tag-delete:${tag}`, { tag });
  }

  setLabel(name: string, label: string): void {
    const qube = this.qube(name);
    const kwargs = { name: 'label', newvalue: label, oldvalue: qube.label };
    this.#emit(name, 'property-pre-set:label', kwargs);
    qube.label = label;
    this.#emit(name, 'property-reset:icon', { name: 'icon' });
    this.#emit(name, 'property-set:label', kwargs);
  }

  /** Gives a qube an own netvm (null: none); while it runs, its whole QubesDB is written again. */
  setNetvm(name: string, netvm: string | null): void {
    const qube = this.qube(name);
    if (netvm !== null) this.qube(netvm);
    const kwargs = {
      name: 'netvm',
      newvalue: netvm ?? 'None',
      oldvalue: this.netvmOf(qube) ?? 'None',
    };
    this.#emit(name, 'property-pre-set:netvm', kwargs);
    this.#moveTo(qube, netvm);
    this.#emit(name, 'property-set:netvm', kwargs);
  }

  /** Lets a qube follow the machine's default again. */
  resetNetvm(name: string): void {
    const qube = this.qube(name);
    const kwargs = {
      name: 'netvm',
      newvalue: this.#defaultNetvm ?? 'None',
      oldvalue: this.netvmOf(qube) ?? 'None',
    };
    this.#emit(name, 'property-pre-reset:netvm', { name: 'netvm' });
    this.#emit(name, 'property-pre-set:netvm', kwargs);
    this.#emit(name, 'property-pre-del:netvm', { name: 'netvm', oldvalue: kwargs.oldvalue });
    this.#moveTo(qube, undefined);
    this.#emit(name, 'property-set:netvm', kwargs);
    this.#emit(name, 'property-reset:netvm', { name: 'netvm' });
    this.#emit(name, 'property-del:netvm', { name: 'netvm', oldvalue: kwargs.oldvalue });
  }

  setDefaultNetvm(netvm: string | null): void {
    const kwargs = {
      name: 'default_netvm',
      newvalue: netvm ?? 'None',
      oldvalue: this.#defaultNetvm ?? 'None',
    };
    const before = this.#defaultNetvm;
    const followers = this.qubes().filter((qube) => qube.netvm === undefined && qube.class !== 'AdminVM');
    this.#emit('', 'property-pre-set:default_netvm', kwargs);
    this.#defaultNetvm = netvm;
    this.#emit('', 'property-set:default_netvm', kwargs);
    for (const qube of followers) {
      this.#moveTo(qube, undefined);
      this.#emit(qube.name, 'property-set:netvm', { ...kwargs, name: 'netvm' });
      this.#emit(qube.name, 'property-reset:netvm', { name: 'netvm' });
    }
    if (before !== null) exportClients(this, this.qube(before));
  }

  create(description: QubeDescription): void {
    const { name } = description;
    if (this.#qubes.has(name)) throw new AdminFault('QubesValueError', `VM named ${name} already exists`);
    this.#qubes.set(name, newQube(description, this.#qubes.size));
    this.#emit('', 'domain-add', { vm: name });
    this.addTag(name, 'created-by-dom0');
    this.#emit(name, 'domain-create-on-disk');
  }

  delete(name: string): void {
    this.qube(name);
    this.#emit('', 'domain-pre-delete', { vm: name });
    this.#qubes.delete(name);
    this.#emit('', 'domain-delete', { vm: name });
  }

  #moveTo(qube: Qube, netvm: string | null | undefined): void {
    const before = this.netvmOf(qube);
    qube.netvm = netvm;
    const after = this.netvmOf(qube);
    for (const name of [before, after]) if (name !== null) exportClients(this, this.qube(name));
    if (qube.state !== 'Running' || after === null) return;
    exportAll(this, qube);
    this.#emit(qube.name, 'domain-qdb-create');
    this.#emit(after, 'net-domain-connect', { vm: qube.name });
  }

  #emit(subject: string, event: string, kwargs: Readonly<Record<string, string>> = {}): void {
    for (const listener of this.#listeners) listener({ subject, event, kwargs });
  }
}
