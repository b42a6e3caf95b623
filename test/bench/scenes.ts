// Owns the scenes: which line, where it is shaped, who sends what. Data only, read by the guest and by the page.
import type { ClassName } from '@qubes-qos/core/classes';
import { grant } from '../lab/guest/grant.js';
import type { Family } from '../lab/guest/traffic.js';

/** Where the shaper stands: at the card, one hop before it, or on the tunnel of a VPN qube (sys-firewall is one then). */
export type Place = 'sys-net' | 'sys-firewall' | 'wireguard';

/** Numbered packets of which each is timed. */
export interface Stream {
  readonly name: string;
  readonly qube: string;
  readonly class: ClassName;
  /** Payload of a packet. */
  readonly bytes: number;
  readonly intervalMs: number;
}

/** Traffic that fills the line and is only counted. */
export interface Load {
  readonly name: string;
  readonly qube: string;
  readonly class: ClassName;
  /** TCP connections (cubic) that always have something to send. */
  readonly tcp: number;
  /** UDP in frames of full length: bits a second in all, over so many flows. */
  readonly udp?: { readonly rate: number; readonly flows: number };
  /** Its TCP comes from the Internet, where the scene itself does not say so of all loads. */
  readonly isDownload?: boolean;
}

export interface Scene {
  readonly name: string;
  readonly title: string;
  readonly family: Family;
  readonly place: Place;
  /** Rate of the line up and down, bits a second. */
  readonly up: number;
  readonly down: number;
  /** What the shaper is to let through from the Internet, where that is not its usual part of the line. */
  readonly shapedDown?: number;
  /** `down`: loads come from the Internet; `both`: some do. In both of them streams are timed there and back. */
  readonly direction: 'up' | 'down' | 'both';
  readonly streams: readonly Stream[];
  readonly loads: readonly Load[];
  /** What dom0 says to the first hop of each qube, which is then enforced there; without, packets are believed. */
  readonly grants?: Readonly<Record<string, string>>;
  /** One ProxyVM more between the qubes and sys-firewall. */
  readonly isLongChain?: boolean;
  /**
   * `all` designs; `main`: without those of ours that are there for kernels or wishes other than the usual; `shapers`: of these,
   * the ones that hold packets back at all; `ends`: nothing, and our default; `default`: only that.
   */
  readonly compared: 'all' | 'main' | 'shapers' | 'ends' | 'default';
}

/** The row of a scene without its loads, as a design. */
export const IDLE = 'idle line';

/** Part of the line's rate that every shaper here uses. */
export const USE = 0.95;
/** Bytes of a full frame on the wire. */
export const FRAME_BYTES = 1514;

const MBIT = 1e6;
/** G.711: 160 bytes every 20 ms. */
const VOICE: Stream = { name: 'voice', qube: 'work', class: 'ef', bytes: 160, intervalMs: 20 };
/** 3.1 Mbit/s in frames of 1242 bytes. */
const VIDEO: Stream = { name: 'video', qube: 'work', class: 'ef', bytes: 1200, intervalMs: 3.2 };

const mixed = (up: number): Load[] => [
  { name: 'personal', qube: 'personal', class: 'cs0', tcp: 2, udp: { rate: 0.6 * up, flows: 1 } },
  { name: 'untrusted', qube: 'untrusted', class: 'cs1', tcp: 2, udp: { rate: 0.6 * up, flows: 1 } },
];

/** The class of each qube, as `qvm-qos set` has it told. */
const GRANTS: Readonly<Record<string, string>> = {
  work: grant('ef'),
  personal: grant('cs0'),
  untrusted: grant('cs1'),
};

const saturating: readonly Load[] = [
  { name: 'personal', qube: 'personal', class: 'cs0', tcp: 3 },
  { name: 'untrusted', qube: 'untrusted', class: 'cs1', tcp: 3 },
];

const flood = (flows: number): Load => ({
  ...{ name: 'EF flood', qube: 'untrusted', class: 'ef', tcp: 0 },
  udp: { rate: 20 * MBIT, flows },
});

const HOME = { up: 10 * MBIT, down: 50 * MBIT, direction: 'up' } as const;

const mix = (
  ...[name, title, family, place, compared]: [
    ...[name: string, title: string, family: Family, place: Place, compared: Scene['compared']],
  ]
): Scene => ({
  ...HOME,
  ...{ name, title, family, place, compared },
  streams: [VOICE],
  loads: mixed(HOME.up),
});

const call = (name: string, title: string, up: number, loads: readonly Load[]): Scene => ({
  ...HOME,
  ...{ name, title, family: 'ip', place: 'sys-net', up, compared: 'shapers' as const },
  ...{ streams: [VOICE, VIDEO], loads: [...saturating, ...loads] },
});

const refused = (
  name: string,
  title: string,
  loads: readonly Load[],
  untrusted: ClassName = 'cs1',
): Scene => ({
  ...{ ...call(name, title, HOME.up, loads), compared: 'default' as const },
  grants: { ...GRANTS, untrusted: grant(untrusted) },
});

/** Everything at once: the flood, TCP both ways, `personal` limited both ways. */
const everything = (name: string, title: string, family: Family, max: 'cs1' | 'ef'): Scene => ({
  ...{ ...HOME, name, title, family, place: 'sys-net', direction: 'both', shapedDown: 45 * MBIT },
  streams: [VOICE],
  loads: [
    { name: 'personal up', qube: 'personal', class: 'cs0', tcp: 2 },
    { name: 'personal down', qube: 'personal', class: 'cs0', tcp: 4, isDownload: true },
    { name: 'untrusted up', qube: 'untrusted', class: 'cs1', tcp: 2 },
    { name: 'untrusted down', qube: 'untrusted', class: 'cs1', tcp: 4, isDownload: true },
    flood(1),
  ],
  grants: {
    ...{ ...GRANTS, personal: `${GRANTS['personal']!} up=2mbit down=10mbit` },
    untrusted: grant('cs1', max),
  },
  compared: max === 'ef' ? 'default' : 'ends',
});

/** The scenes by part; those of one part share a guest. */
export const SCENES: Readonly<Record<string, readonly Scene[]>> = {
  'mix-10': [
    mix('mix-10-ip', '10 Mbit/s up, shaped at sys-net, IPv4', 'ip', 'sys-net', 'all'),
    mix('mix-10-ip6', '10 Mbit/s up, shaped at sys-net, IPv6', 'ip6', 'sys-net', 'shapers'),
  ],
  'mix-1': [
    {
      ...mix('mix-1-ip', '1 Mbit/s up, shaped at sys-net, IPv4', 'ip', 'sys-net', 'all'),
      ...{ up: MBIT, loads: mixed(MBIT) },
    },
  ],
  firewall: [
    mix('firewall-ip', '10 Mbit/s up, shaped one ProxyVM earlier, IPv4', 'ip', 'sys-firewall', 'main'),
    mix('firewall-ip6', '10 Mbit/s up, shaped one ProxyVM earlier, IPv6', 'ip6', 'sys-firewall', 'shapers'),
  ],
  hops: [
    {
      ...mix('hops-ip', '10 Mbit/s up behind two ProxyVMs, shaped at sys-net, IPv4', 'ip', 'sys-net', 'ends'),
      isLongChain: true,
    },
    {
      ...mix('hops-ip6', 'The same, IPv6', 'ip6', 'sys-net', 'default'),
      isLongChain: true,
    },
  ],
  flood: [
    {
      ...mix('flood-10', '20 Mbit/s of EF from untrusted on 10 Mbit/s up, IPv4', 'ip', 'sys-net', 'main'),
      loads: [
        { name: 'personal, interactive', qube: 'personal', class: 'cs5', tcp: 1 },
        { name: 'personal', qube: 'personal', class: 'cs0', tcp: 2 },
        { name: 'untrusted', qube: 'untrusted', class: 'cs1', tcp: 2 },
        flood(1),
      ],
    },
  ],
  wireguard: [
    mix('wireguard-ip', '10 Mbit/s up, shaped on wg0 of a VPN qube, IPv4', 'ip', 'wireguard', 'main'),
    mix('wireguard-ip6', 'The same, IPv6 in the tunnel', 'ip6', 'wireguard', 'default'),
  ],
  call: [
    call('call', 'A video call and voice from one EF qube, the others saturate 10 Mbit/s up', HOME.up, []),
    call('call-upload', 'The same while that qube also uploads by TCP as EF', HOME.up, [
      { name: 'EF upload', qube: 'work', class: 'ef', tcp: 1 },
    ]),
    call('call-flood-1', 'The call on 20 Mbit/s up, another EF qube floods 20 Mbit/s in 1 flow', 20 * MBIT, [
      flood(1),
    ]),
    call('call-flood-20', 'The same flood in 20 flows', 20 * MBIT, [flood(20)]),
  ],
  refused: [
    refused('refused-none', 'The call while dom0 has classes enforced', []),
    refused('refused-cs1', 'The same while untrusted, which is cs1, marks 20 Mbit/s as EF', [flood(1)]),
    refused('refused-cs0', 'The same while untrusted is cs0', [flood(1)], 'cs0'),
  ],
  download: [
    {
      ...mix('download-50', '50 Mbit/s down, the call timed there and back, IPv4', 'ip', 'sys-net', 'ends'),
      direction: 'down',
      loads: [
        { name: 'personal', qube: 'personal', class: 'cs0', tcp: 4 },
        { name: 'untrusted', qube: 'untrusted', class: 'cs1', tcp: 4 },
      ],
    },
  ],
  everything: [
    everything('everything-ip', 'Everything at once, the flood not granted EF, IPv4', 'ip', 'cs1'),
    everything('everything-ip6', 'The same, IPv6', 'ip6', 'cs1'),
    everything('everything-granted-ip', 'Everything at once, the flood granted EF, IPv4', 'ip', 'ef'),
    everything('everything-granted-ip6', 'The same, IPv6', 'ip6', 'ef'),
  ],
};
