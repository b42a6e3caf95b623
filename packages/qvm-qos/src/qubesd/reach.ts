// Owns which way the Admin API is reached: the socket in dom0, qrexec in an admin qube.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bounded } from '../in-parallel.js';
import type { Admin } from './admin.js';
import { AdminClient, QUBESD_SOCKET } from './client.js';

/** The program that a qube calls services of other qubes with (qubes-core-qrexec). */
const QREXEC_CLIENT = 'qrexec-client-vm';

/** @param socketPath - of another qubesd than this machine's. */
export async function reachAdmin(socketPath?: string): Promise<Admin> {
  if (socketPath === undefined && !existsSync(QUBESD_SOCKET) && isInPath(QREXEC_CLIENT)) {
    const { QrexecClient } = await import('./qrexec.js');
    return asAdmin(new QrexecClient(QREXEC_CLIENT));
  }
  return asAdmin(new AdminClient(socketPath === undefined ? {} : { socketPath }));
}

function asAdmin(client: Admin): Admin {
  return {
    call: bounded((request) => client.call(request)),
    events: (destination, signal) => client.events(destination, signal),
  };
}

function isInPath(program: string): boolean {
  const directories = (process.env['PATH'] ?? '/usr/bin').split(':');
  return directories.some((directory) => existsSync(join(directory, program)));
}
