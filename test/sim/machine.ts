// Owns a simulated machine: qubes that start, stop and change their netvm, and what qubesd does to them then.
import type { Qube, QubesdbWriter } from './machine-types.js';
import { Qubes } from './machine-qubes.js';
import { exportAll, exportClients } from './vm-config-export.js';

/** A machine as qubesd drives it. Every change emits the events of the real one, in their order. */
export class MachineModel extends Qubes {
  #nextXid = 100;

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
    this.emit(name, 'domain-pre-start');
    qube.state = 'Running';
    qube.xid = this.#nextXid++;
    this.emit(name, 'property-reset:xid', { name: 'xid' });
    this.emit(name, 'property-reset:start_time', { name: 'start_time' });
    this.emit(name, 'domain-spawn');
    try {
      exportAll(this, qube);
    } catch (error) {
      qube.state = 'Halted';
      qube.xid = -1;
      this.emit(name, 'domain-start-failed', { reason: String(error) });
      throw error;
    }
    if (qube.providesNetwork === true) exportClients(this, qube);
    if (netvm !== null) exportClients(this, this.qube(netvm));
    for (const event of ['domain-qdb-create', 'domain-pre-unpaused', 'domain-unpaused'])
      this.emit(name, event);
    this.emit(name, 'domain-start', { start_guid: 'True' });
  }

  /** Ends a qube; its QubesDB goes with it. */
  shutdown(name: string): void {
    const qube = this.qube(name);
    if (qube.state === 'Halted') return;
    this.emit(name, 'domain-pre-shutdown', { force: 'False' });
    qube.state = 'Halted';
    qube.xid = -1;
    qube.qubesdb = undefined;
    this.emit(name, 'domain-stopped');
    for (const property of ['xid', 'stubdom_xid', 'start_time']) {
      this.emit(name, `property-reset:${property}`, { name: property });
    }
    this.emit(name, 'domain-shutdown');
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
    this.emit(name, 'property-pre-set:netvm', kwargs);
    this.#moveTo(qube, netvm);
    this.emit(name, 'property-set:netvm', kwargs);
  }

  /** Lets a qube follow the machine's default again. */
  resetNetvm(name: string): void {
    const qube = this.qube(name);
    const kwargs = {
      name: 'netvm',
      newvalue: this.defaultNetvmName ?? 'None',
      oldvalue: this.netvmOf(qube) ?? 'None',
    };
    this.emit(name, 'property-pre-reset:netvm', { name: 'netvm' });
    this.emit(name, 'property-pre-set:netvm', kwargs);
    this.emit(name, 'property-pre-del:netvm', { name: 'netvm', oldvalue: kwargs.oldvalue });
    this.#moveTo(qube, undefined);
    this.emit(name, 'property-set:netvm', kwargs);
    this.emit(name, 'property-reset:netvm', { name: 'netvm' });
    this.emit(name, 'property-del:netvm', { name: 'netvm', oldvalue: kwargs.oldvalue });
  }

  setDefaultNetvm(netvm: string | null): void {
    const kwargs = {
      name: 'default_netvm',
      newvalue: netvm ?? 'None',
      oldvalue: this.defaultNetvmName ?? 'None',
    };
    const before = this.defaultNetvmName;
    const followers = this.qubes().filter((qube) => qube.netvm === undefined && qube.class !== 'AdminVM');
    this.emit('', 'property-pre-set:default_netvm', kwargs);
    this.defaultNetvmName = netvm;
    this.emit('', 'property-set:default_netvm', kwargs);
    for (const qube of followers) {
      this.#moveTo(qube, undefined);
      this.emit(qube.name, 'property-set:netvm', { ...kwargs, name: 'netvm' });
      this.emit(qube.name, 'property-reset:netvm', { name: 'netvm' });
    }
    if (before !== null) exportClients(this, this.qube(before));
  }

  #moveTo(qube: Qube, netvm: string | null | undefined): void {
    const before = this.netvmOf(qube);
    qube.netvm = netvm;
    const after = this.netvmOf(qube);
    for (const name of [before, after]) if (name !== null) exportClients(this, this.qube(name));
    if (qube.state !== 'Running' || after === null) return;
    exportAll(this, qube);
    this.emit(qube.name, 'domain-qdb-create');
    this.emit(after, 'net-domain-connect', { vm: qube.name });
  }
}
