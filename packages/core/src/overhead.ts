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

/** What an interface of Ethernet counts by itself beyond the network layer, bytes. */
export const ETHERNET_HEADER = 14;

/** What each kind of tunnel adds to a packet, before the link that carries it adds its own: bytes, over IPv4. */
const TUNNELS = {
  // IPv4 20, UDP 8, header 16, tag 16 (WireGuard paper, section 5.4.6), padding 4.
  wireguard: 64,
  // IPv4 20, UDP 8, opcode and peer 4, packet number 4, tag 16, compression byte 1 (data channel of version 2, AEAD).
  openvpn: 53,
} as const;

/** A kind of tunnel whose cost is known. */
export type TunnelName = keyof typeof TUNNELS;

/** Link layers, by name. */
const LINK_LAYERS: Readonly<Record<string, LinkOverhead>> = {
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
};

const PRESETS: Readonly<Record<string, LinkOverhead>> = {
  ...LINK_LAYERS,
  // On the tunnel: its own and the frame that carries it.
  wireguard: { bytes: TUNNELS.wireguard + ETHERNET_HEADER, cells: 'noatm' },
  openvpn: { bytes: TUNNELS.openvpn + ETHERNET_HEADER, cells: 'noatm' },
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

/** What a packet of a tunnel costs on the line, and what of it is the tunnel's own. */
export interface TunnelOverhead {
  readonly overhead: LinkOverhead;
  /** Bytes; undefined where the setting says the whole cost. */
  readonly own?: number;
}

/**
 * The cost of a packet of a tunnel. Without a setting the tunnel's own is added to an Ethernet header, which is what the
 * link that carries it counts by itself; the name of a link layer says what that link costs instead. A number of bytes,
 * or the name of a tunnel, is the whole.
 * @param headerBytes - of the frames that are carried inside, 0 when those are IP packets.
 * @throws QosError('policy') for a setting that is neither.
 */
export function tunnelOverhead(
  tunnel: TunnelName,
  setting: string | undefined,
  headerBytes: number,
): TunnelOverhead {
  const layer: LinkOverhead | undefined =
    setting === undefined ? { bytes: ETHERNET_HEADER, cells: 'noatm' } : layerOf(setting);
  if (setting !== undefined && !layer) return { overhead: parseOverhead(setting) };
  const own = TUNNELS[tunnel] + headerBytes;
  return { overhead: { cells: 'noatm', ...layer, bytes: own + (layer?.bytes ?? 0) }, own };
}

function layerOf(name: string): LinkOverhead | undefined {
  return Object.hasOwn(LINK_LAYERS, name) ? LINK_LAYERS[name] : undefined;
}
