// Owns the recorded conversations with the real qubesd (test/fixtures/wire/qubesd.md), and the machine that they were recorded on.
import { readFileSync } from 'node:fs';
import type { MachineDescription } from './machine-types.js';

/** One chunk of a recorded conversation. */
interface RecordedExchange {
  readonly dir: string;
  readonly hex?: string;
  readonly eof?: boolean;
  readonly timeout?: boolean;
}

/** One recorded connection, from its first byte to its end. */
export interface AdminRecording {
  readonly name: string;
  readonly exchanges: readonly RecordedExchange[];
}

const file = new URL('../fixtures/wire/qubesd.json', import.meta.url);

/** Every recording, in the order in which they were made: later ones depend on what earlier ones changed. */
export const ADMIN_RECORDINGS: readonly AdminRecording[] = JSON.parse(
  readFileSync(file, 'utf8'),
) as AdminRecording[];

/** All bytes that went one way. */
export function recordedBytes(recording: AdminRecording, dir: 'c2s' | 's2c'): Buffer {
  return Buffer.concat(
    recording.exchanges.filter((part) => part.dir === dir).map((part) => Buffer.from(part.hex ?? '', 'hex')),
  );
}

/** The machine before the first recording. */
export const RECORDED_MACHINE: MachineDescription = {
  defaultNetvm: 'sys-firewall',
  qubes: [
    { name: 'default-dvm', template: 'fedora-42' },
    { name: 'disp4711', class: 'DispVM', template: 'default-dvm' },
    { name: 'fedora-42', class: 'TemplateVM', netvm: null },
    { name: 'personal', netvm: 'sys-vpn', ip: '10.137.0.6' },
    netProvider('sys-firewall', 'sys-net', '10.137.0.3'),
    netProvider('sys-net', null, '10.137.0.2'),
    netProvider('sys-vpn', 'sys-firewall', '10.137.0.4'),
    { name: 'untrusted', running: true, ip: '10.137.0.7' },
    { name: 'vault', netvm: null },
    {
      name: 'work',
      running: true,
      ip: '10.137.0.5',
      qid: 5,
      xid: 14,
      label: 'blue',
      template: 'fedora-42',
      tags: ['audiovm-dom0', 'guivm-dom0', 'office', 'video'],
      features: { 'menu-items': '1' },
    },
  ],
};

function netProvider(name: string, netvm: string | null, ip: string): MachineDescription['qubes'][number] {
  return { name, netvm, ip, running: true, providesNetwork: true };
}
