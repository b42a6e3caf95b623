// Owns what a packet costs on the line beyond its network layer, by the name of the link layer. Figures: tc-cake(8).
import { QosError } from './errors.js';
import { quote } from './quote.js';
import type { CakeCells } from './tc/model.js';

/** What a packet costs beyond its network layer. */
export interface LinkOverhead {
  /** Bytes. */
  readonly bytes: number;
  /** Smallest packet of the line, bytes. */
  readonly mpu?: number;
  /** `atm`: in cells of 48 of 53 bytes; `ptm`: 64 of 65 bytes carry data. */
  readonly cells: CakeCells;
}

const PRESETS: Readonly<Record<string, LinkOverhead>> = {
  // Preamble, header, check sum and gap of Ethernet.
  ethernet: { bytes: 38, mpu: 84, cells: 'noatm' },
  // A cable modem counts the frame with its check sum.
  docsis: { bytes: 18, mpu: 64, cells: 'noatm' },
  // VDSL2.
  'pppoe-ptm': { bytes: 30, cells: 'ptm' },
  // ADSL: PPPoE over LLC/SNAP.
  atm: { bytes: 40, cells: 'atm' },
  // More than any line has.
  conservative: { bytes: 48, cells: 'atm' },
  // On the tunnel: outer IPv4 and UDP headers, WireGuard's own, its padding, and the frame that carries them.
  wireguard: { bytes: 78, cells: 'noatm' },
};

export const PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/** The overhead of a preset, or undefined when there is none of this name. */
export function presetOf(name: string): LinkOverhead | undefined {
  return Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
}

/**
 * Reads the name of a preset or a number of bytes, 0 to 256.
 * @throws QosError('policy') that names both.
 */
export function parseOverhead(text: string): LinkOverhead {
  const preset = presetOf(text);
  if (preset) return preset;
  if (!/^\d{1,3}$/.test(text) || Number(text) > 256) {
    throw new QosError(
      'policy',
      `overhead ${quote(text)}: expected 0 to 256 bytes, or ${PRESET_NAMES.join(', ')}.`,
    );
  }
  return { bytes: Number(text), cells: 'noatm' };
}
