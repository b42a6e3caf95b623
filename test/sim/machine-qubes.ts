// Owns the qubes of a simulated machine: their features, tags and labels, and the events that a change causes.
import { newQube } from './machine-qube.js';
import {
  AdminFault,
  type MachineDescription,
  type MachineEvent,
  type Qube,
  type QubeDescription,
} from './machine-types.js';
import { exportFeature, unexportFeature } from './vm-config-export.js';

type Listener = (event: MachineEvent) => void;

/** Qubes as qubesd keeps them. Every change emits the events of the real one, in their order. */
export class Qubes {
  readonly #qubes = new Map<string, Qube>();
  readonly #listeners = new Set<Listener>();
  /** The netvm of every qube that has none of its own; null for none. */
  protected defaultNetvmName: string | null;

  constructor(description: MachineDescription) {
    const dom0 = description.qubes.some((qube) => qube.name === 'dom0')
      ? []
      : [{ name: 'dom0', class: 'AdminVM' } as const];
    [...dom0, ...description.qubes].forEach((qube, index) => {
      this.#qubes.set(qube.name, newQube(qube, index));
    });
    this.defaultNetvmName = description.defaultNetvm ?? null;
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
    return qube.netvm === undefined ? this.defaultNetvmName : qube.netvm;
  }

  get defaultNetvm(): string | null {
    return this.defaultNetvmName;
  }

  /** Calls the listener at every event until the returned function is called. */
  onEvent(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores first and checks afterwards, as qubesd does: a refused feature stays stored. */
  setFeature(name: string, feature: string, value: string): void {
    const qube = this.qube(name);
    const old = qube.features.get(feature);
    const kwargs = { feature, value, ...(old === undefined ? {} : { oldvalue: old }) };
    this.emit(name, `domain-feature-pre-set:${feature}`, kwargs);
    qube.features.set(feature, value);
    exportFeature(qube, feature, value);
    this.emit(name, `domain-feature-set:${feature}`, kwargs);
  }

  removeFeature(name: string, feature: string): void {
    const qube = this.qube(name);
    this.feature(qube, feature);
    this.emit(name, `domain-feature-pre-delete:${feature}`, { feature });
    qube.features.delete(feature);
    unexportFeature(qube, feature);
    this.emit(name, `domain-feature-delete:${feature}`, { feature });
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
    this.emit(name, `domain-tag-add:${tag}`, { tag });
  }

  removeTag(name: string, tag: string): void {
    if (!this.qube(name).tags.delete(tag)) {
      throw new AdminFault('QubesTagNotFoundError', `Tag not set for domain ${name}: ${tag}`);
    }
    this.emit(name, `domain-tag-delete:${tag}`, { tag });
  }

  setLabel(name: string, label: string): void {
    const qube = this.qube(name);
    const kwargs = { name: 'label', newvalue: label, oldvalue: qube.label };
    this.emit(name, 'property-pre-set:label', kwargs);
    qube.label = label;
    this.emit(name, 'property-reset:icon', { name: 'icon' });
    this.emit(name, 'property-set:label', kwargs);
  }

  create(description: QubeDescription): void {
    const { name } = description;
    if (this.#qubes.has(name)) throw new AdminFault('QubesValueError', `VM named ${name} already exists`);
    this.#qubes.set(name, newQube(description, this.#qubes.size));
    this.emit('', 'domain-add', { vm: name });
    this.addTag(name, 'created-by-dom0');
    this.emit(name, 'domain-create-on-disk');
  }

  delete(name: string): void {
    this.qube(name);
    this.emit('', 'domain-pre-delete', { vm: name });
    this.#qubes.delete(name);
    this.emit('', 'domain-delete', { vm: name });
  }

  protected emit(subject: string, event: string, kwargs: Readonly<Record<string, string>> = {}): void {
    for (const listener of this.#listeners) listener({ subject, event, kwargs });
  }
}
