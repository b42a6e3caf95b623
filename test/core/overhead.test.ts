// What a packet costs on the line: presets, numbers, and the sums of tunnels.
import { parseOverhead, PRESET_NAMES, tunnelOverhead } from '@qubes-qos/core/overhead';
import { describe, expect, test } from 'vitest';

describe('parseOverhead', () => {
  test('reads every preset and a number of bytes', () => {
    expect(PRESET_NAMES).toContain('openvpn');
    for (const name of PRESET_NAMES) expect(parseOverhead(name).bytes).toBeGreaterThan(0);
    expect(parseOverhead('24')).toEqual({ bytes: 24, cells: 'noatm' });
    for (const wrong of ['257', '-1', 'toString', 'docsis ', '1.5'])
      expect(() => parseOverhead(wrong)).toThrow('expected 0 to 256 bytes, or ethernet');
  });
});

describe('tunnelOverhead', () => {
  const bytes = (...args: Parameters<typeof tunnelOverhead>) => tunnelOverhead(...args).overhead.bytes;

  test('without a setting: its own, and an Ethernet header of the link that carries it', () => {
    // 20 IPv4, 8 UDP, 32 WireGuard, 4 padding, 14 Ethernet.
    expect(tunnelOverhead('wireguard', undefined, 0)).toEqual({
      overhead: { bytes: 78, cells: 'noatm' },
      own: 64,
    });
    expect(bytes('wireguard', undefined, 0)).toBe(parseOverhead('wireguard').bytes);
    expect(bytes('openvpn', undefined, 0)).toBe(parseOverhead('openvpn').bytes);
    expect(bytes('openvpn', undefined, 14)).toBe(20 + 8 + 24 + 1 + 14 + 14);
  });

  test('the name of a link layer is the link that carries it, with its cells and smallest packet', () => {
    expect(tunnelOverhead('wireguard', 'docsis', 0).overhead).toEqual({
      bytes: 64 + 18,
      mpu: 64,
      cells: 'noatm',
    });
    expect(tunnelOverhead('openvpn', 'atm', 0).overhead).toEqual({ bytes: 53 + 40, cells: 'atm' });
  });

  test('a number, or the name of a tunnel, is the whole', () => {
    expect(tunnelOverhead('wireguard', '98', 0)).toEqual({ overhead: { bytes: 98, cells: 'noatm' } });
    expect(bytes('openvpn', 'wireguard', 0)).toBe(78);
    expect(() => tunnelOverhead('wireguard', 'dsl', 0)).toThrow('expected 0 to 256 bytes');
  });
});
