// Owns the scenes of one part in one guest: each scene idle, then with each design, a row each.
import { record } from '../../lab/guest/record.js';
import { inQube } from '../../lab/guest/namespaces.js';
import { LONG_CHAIN, QUBES, labQube } from '../../lab/guest/qubes.js';
import { sleep } from '../../lab/guest/run.js';
import { startLab, type Lab } from '../../lab/guest/topology.js';
import { hurryEncryption, startTunnel, startVpnServer } from '../../lab/guest/vpn.js';
import type { FailedRow, SceneRow } from '../figures.js';
import { lineOf } from '../scene-facts.js';
import { IDLE, SCENES, type Scene } from '../scenes.js';
import { clean, DESIGNS, firstHopOf, netvmsOf, NO_QOS, type Design } from './designs.js';
import { DRAIN_MS, markScene, runScene, type Timing } from './load.js';

const TIMING: Timing = { warmUpMs: 4000, phasesMs: [0, 7.3, 13.1], seconds: 4 };
/** On a slow line four seconds are some hundred frames, too few to tell how they are shared. */
const SLOW_TIMING: Timing = { ...TIMING, seconds: 12 };
const SLOW_LINE = 2e6;
/** Nothing to wait for: only the senders start. */
const IDLE_TIMING: Timing = { warmUpMs: 1500, phasesMs: [0], seconds: 2 };

/** Measures all scenes of a part. What fails is recorded as that, and the next is measured all the same. */
export async function runScenes(part: string): Promise<void> {
  const scenes = SCENES[part];
  if (scenes === undefined) throw new Error(`no part of scenes is called ${part}.`);
  const isLongChain = scenes[0]!.isLongChain === true;
  const lab = await startLab(lineOf(scenes[0]!), isLongChain ? LONG_CHAIN : QUBES);
  if (scenes[0]!.place === 'wireguard') {
    await startVpnServer();
    await startTunnel('ip');
  }
  for (const scene of scenes) {
    await setLine(scene);
    await markScene(scene);
    tellDom0sWord(lab, scene);
    await measure(scene, undefined);
    for (const design of DESIGNS) if (isCompared(scene, design)) await measure(scene, design);
  }
}

/** Nobody but us shapes downloads here. */
function isCompared({ compared }: Scene, design: Design): boolean {
  switch (compared) {
    case 'all':
      return true;
    case 'main':
      return design.isMain;
    case 'shapers':
      return design.isMain && design.shapes;
    case 'ends':
      return design.isMain && (design.isOurs || design.name === NO_QOS);
    case 'default':
      return design.isMain && design.isOurs;
  }
}

/** A row of a scene: with a design and all loads, or idle without either. */
async function measure(scene: Scene, design: Design | undefined): Promise<void> {
  const timing = scene.up < SLOW_LINE ? SLOW_TIMING : TIMING;
  const name = design?.name ?? IDLE;
  try {
    await design?.put(scene);
    const [figures] = await Promise.all([
      design ? runScene(scene, true, timing) : runScene(scene, false, IDLE_TIMING),
      scene.place === 'wireguard' ? hurryOften(timing) : undefined,
    ]);
    const row: SceneRow = {
      ...{ kind: 'scene', scene: scene.name, design: name, isOurs: design?.isOurs ?? false },
      ...figures,
    };
    record(row);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const failed: FailedRow = { kind: 'failed', what: `${scene.name}, ${name}`, why };
    record(failed);
  }
  await clean(netvmsOf(scene));
}

/** In the warm-up, and before each phase: the kernel makes more of these threads under load. */
async function hurryOften({ warmUpMs, seconds, phasesMs }: Timing): Promise<void> {
  await sleep(warmUpMs - 2500);
  await hurryEncryption();
  await sleep(2000);
  await hurryEncryption();
  for (let phase = 1; phase < phasesMs.length; phase++) {
    await sleep(seconds * 1000 + DRAIN_MS);
    await hurryEncryption();
  }
}

/** What dom0 tells the first hop of its clients; it takes effect when a design of ours is put in place. */
function tellDom0sWord({ machine }: Lab, scene: Scene): void {
  const firstHop = firstHopOf(scene);
  for (const [qube, value] of Object.entries(scene.grants ?? {}))
    machine.setFeature(firstHop, `vm-config.qos.${labQube(qube).ip}`, value);
  if (scene.grants) machine.setFeature(firstHop, 'vm-config.qos-enforce', '1');
}

/** The modem's queues at the rates of this scene. */
async function setLine(scene: Scene): Promise<void> {
  const { up, down, upFrames, downFrames } = lineOf(scene);
  const netem = (dev: string, rate: string, frames: number) =>
    inQube('modem', ...`tc qdisc change dev ${dev} root netem rate ${rate} limit ${frames}`.split(' '));
  await netem('wan0', up, upFrames);
  await netem('lan0', down, downFrames);
}
