// Owns the designs that are compared: what others do, typed by hand, and every scheduler of ours, by the agent itself.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { inQube, inQubeWith } from '../../lab/guest/namespaces.js';
import { NIC } from '../../lab/guest/qubes.js';
import { buildTree } from '@qubes-qos/core/tc/diff';
import { renderTc } from '@qubes-qos/core/tc/render';
import { bitsPerSecond } from '@qubes-qos/core/rate';
import { SHAPING } from '@qubes-qos/tc-agent/schedulers/choose';
import { isRoundTrip } from '../scene-facts.js';
import { FRAME_BYTES, USE, type Place, type Scene } from '../scenes.js';

export interface Design {
  readonly name: string;
  readonly isOurs: boolean;
  /** False: nothing holds packets back, the queue stays in the modem. */
  readonly shapes: boolean;
  /** False for those of ours that are not the default. */
  readonly isMain: boolean;
  /** Puts it in place for a scene, on an interface that has its default. */
  put(scene: Scene): Promise<void>;
}

/** From the card to the qubes. */
const NETVMS = ['sys-net', 'sys-firewall'] as const;
const LONG_CHAIN = [...NETVMS, 'sys-proxy'] as const;

/** What WireGuard and Ethernet add to an inner packet, padding on average; our agent knows by itself. */
const WIREGUARD_OVERHEAD = 78;

/** The qube and the interface that shape. */
export const SHAPED: Readonly<Record<Place, readonly [qube: (typeof NETVMS)[number], dev: string]>> = {
  'sys-net': ['sys-net', NIC],
  'sys-firewall': ['sys-firewall', 'eth0'],
  wireguard: ['sys-firewall', 'wg0'],
};

/** The design that does nothing. */
export const NO_QOS = 'no QoS';

/** All designs: first what was there before us, then ours, the default first. */
export const DESIGNS: readonly Design[] = [
  { name: NO_QOS, isOurs: false, isMain: true, shapes: false, put: () => Promise.resolve() },
  {
    ...{ name: 'original: prio + fq_codel', isOurs: false, isMain: true, shapes: false },
    // It runs in every ProxyVM, on the interface with the default route.
    put: async (scene) => {
      for (const qube of netvmsOf(scene))
        await tc(qube, original(qube === 'sys-net' ? NIC : scene.place === 'wireguard' ? 'wg0' : 'eth0'));
    },
  },
  byHand('HTB + prio', (dev, scene) => [
    ...htb(dev, scene),
    `qdisc replace dev ${dev} parent 1:1 handle 2: prio bands 5 priomap ${DEFAULT_BAND}`,
    ...fiveLeaves(dev, '2:'),
    ...u32(dev, '2:'),
  ]),
  byHand('cake diffserv4', (dev, scene) => cake(dev, scene, 'diffserv4')),
  byHand('cake diffserv8', (dev, scene) => cake(dev, scene, 'diffserv8')),
  ...SHAPING.map((scheduler, index): Design => ({
    ...{ name: scheduler.name, isOurs: true, isMain: index === 0, shapes: true },
    put: async (scene) => {
      const [qube, dev] = SHAPED[scene.place];
      writeSettings(scene);
      for (const netvm of netvmsOf(scene)) {
        await inQube(netvm, 'qubes-qos-tc', 'apply');
        await inQube(netvm, 'qubes-qos-tc', 'check');
      }
      await assertInForce(qube, dev, SHAPING[0]!.name);
      if (index > 0) {
        const rate = bitsPerSecond(shapedRate(scene));
        const mtu = Number(await inQube(qube, 'cat', `/sys/class/net/${dev}/mtu`));
        await tc(
          qube,
          renderTc([buildTree(dev, scheduler.build({ rate, mtu }), '6')])
            .text.trimEnd()
            .split('\n'),
        );
      }
    },
  })),
];

/** A row without the tree that it is named after would be a lie. */
async function assertInForce(qube: string, dev: string, scheduler: string): Promise<void> {
  const { interfaces } = JSON.parse(await inQube(qube, 'qubes-qos-tc', 'status', '--json')) as {
    interfaces: { interface: string; scheduler: string; inForce: boolean }[];
  };
  const found = interfaces.find((one) => one.interface === dev);
  if (found?.scheduler !== scheduler || !found.inForce)
    throw new Error(`${dev} in ${qube} has ${JSON.stringify(found)}, expected ${scheduler} in force.`);
}

/** The NetVMs of a scene. */
export function netvmsOf(scene: Pick<Scene, 'isLongChain'>): readonly string[] {
  return scene.isLongChain === true ? LONG_CHAIN : NETVMS;
}

/** The NetVM that the qubes are connected to: only there is it known which of them sends. */
export function firstHopOf(scene: Pick<Scene, 'isLongChain'>): string {
  return netvmsOf(scene).at(-1)!;
}

/** Takes everything away that a design has put in place. */
export async function clean(netvms: readonly string[] = NETVMS): Promise<void> {
  for (const qube of netvms) {
    rmSync(settingsOf(qube), { recursive: true, force: true });
    await inQube(qube, 'qubes-qos-tc', 'cleanup');
    const devices = (await inQube(qube, 'ls', '/sys/class/net')).trim().split(/\s+/);
    const lines = devices.flatMap((dev) => [
      `qdisc delete dev ${dev} root`,
      `qdisc delete dev ${dev} clsact`,
    ]);
    await inQubeWith(
      { stdin: `${lines.join('\n')}\n`, okCodes: [0, 1] },
      qube,
      'tc',
      '-force',
      '-batch',
      '-',
    );
  }
}

/** Tells the agent of the NetVM that shapes what the line carries, and that of the first hop what EF has of it. */
export function writeSettings(scene: Scene): void {
  const [shaping] = SHAPED[scene.place];
  const lineDown = scene.shapedDown === undefined ? scene.down : Math.floor(scene.shapedDown / USE);
  const down = isRoundTrip(scene) ? `down = "${lineDown}bit"\n` : '';
  writeLine(shaping, `up = "${scene.up}bit"\n${down}`);
  const firstHop = firstHopOf(scene);
  if (shaping !== firstHop)
    writeLine(firstHop, `ef = "${Math.floor(shapedRate(scene) * EF_FURTHER_ON)}bit"\n`);
}

/** Somewhat less than the half that EF has where the line is shaped, so that it waits at the first hop. */
const EF_FURTHER_ON = 0.4947;

function writeLine(qube: string, lines: string): void {
  const directory = settingsOf(qube);
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}/tc.toml`, `[line]\n${lines}`);
}

function settingsOf(qube: string): string {
  return `/lab/qubes/${qube}/rw/config/qubes-qos`;
}

function shapedRate(scene: Scene): number {
  return Math.floor((scene.up * USE) / 8) * 8;
}

function byHand(name: string, lines: (dev: string, scene: Scene) => readonly string[]): Design {
  return {
    ...{ name, isOurs: false, isMain: true, shapes: true },
    put: async (scene) => {
      const [qube, dev] = SHAPED[scene.place];
      await tc(qube, lines(dev, scene));
    },
  };
}

const DEFAULT_BAND = '2 '.repeat(16).trim();

/** One class, so that nothing is released beside it. */
function htb(dev: string, scene: Scene): string[] {
  const rate = shapedRate(scene);
  const overhead =
    scene.place === 'wireguard' ? `stab overhead ${WIREGUARD_OVERHEAD} linklayer ethernet ` : '';
  const burst = `burst 1600 cburst 1600 quantum ${FRAME_BYTES}`;
  return [
    `qdisc replace dev ${dev} root handle 1: ${overhead}htb default 1`,
    `class replace dev ${dev} parent 1: classid 1:1 htb rate ${rate}bit ceil ${rate}bit ${burst}`,
  ];
}

function cake(dev: string, scene: Scene, mode: string): string[] {
  const overhead = scene.place === 'wireguard' ? ` overhead ${WIREGUARD_OVERHEAD}` : '';
  return [
    `qdisc replace dev ${dev} root handle 1: cake bandwidth ${shapedRate(scene)}bit ${mode}${overhead}`,
  ];
}

function original(dev: string): string[] {
  return [
    `qdisc replace dev ${dev} root handle 1: prio bands 5 priomap ${DEFAULT_BAND}`,
    ...fiveLeaves(dev, '1:'),
    ...u32(dev, '1:'),
  ];
}

function fiveLeaves(dev: string, parent: string): string[] {
  return [1, 2, 3, 4, 5].map(
    (band) => `qdisc replace dev ${dev} parent ${parent}${band} handle ${band}0: fq_codel`,
  );
}

/** EF, CS5, CS2 and CS1 by the upper six bits of the second byte; all else falls into the default band. */
function u32(dev: string, parent: string): string[] {
  const bands = { '0xb8': 1, '0xa0': 2, '0x40': 4, '0x20': 5 };
  return Object.entries(bands).flatMap(([tos, band]) =>
    ['protocol ip pref 1 u32 match ip dsfield', 'protocol ipv6 pref 2 u32 match ip6 priority'].map(
      (match) => `filter add dev ${dev} parent ${parent} ${match} ${tos} 0xfc flowid ${parent}${band}`,
    ),
  );
}

async function tc(qube: string, lines: readonly string[]): Promise<void> {
  await inQubeWith({ stdin: `${lines.join('\n')}\n` }, qube, 'tc', '-batch', '-');
}
