// Owns the scenes of one part in one guest: each scene idle, then with each design, a row each.
import { record } from '../../lab/guest/record.js';
import { inQube } from '../../lab/guest/namespaces.js';
import { startLab } from '../../lab/guest/topology.js';
import type { AbsentRow, SceneRow } from '../figures.js';
import { IDLE, SCENES, lineOf, type Scene } from '../scenes.js';
import { clean, DESIGNS, NO_QOS, SHAPED, writeSettings, type Design } from './designs.js';
import { markScene, runScene, type Timing } from './load.js';
import { startTunnel } from './wireguard.js';

const TIMING: Timing = { warmUpMs: 4000, phasesMs: [0, 7.3, 13.1], seconds: 4 };
/** On a slow line four seconds are some hundred frames, too few to tell how they are shared. */
const SLOW_TIMING: Timing = { ...TIMING, seconds: 12 };
const SLOW_LINE = 2e6;
/** Nothing to wait for: only the senders start. */
const IDLE_TIMING: Timing = { warmUpMs: 1500, phasesMs: [0], seconds: 2 };

/** Measures all scenes of a part. */
export async function runScenes(part: string): Promise<void> {
  const scenes = SCENES[part];
  if (scenes === undefined) throw new Error(`no part of scenes is called ${part}.`);
  await startLab(lineOf(scenes[0]!));
  for (const [index, scene] of scenes.entries()) {
    if (scene.place === 'wireguard' && index === 0) await startTunnel();
    await setLine(scene);
    await markScene(scene);
    const absent = await absence(scene);
    if (absent !== undefined) {
      record(absent);
      continue;
    }
    await measure(scene, IDLE, false, false, IDLE_TIMING);
    for (const design of DESIGNS) {
      if (!isCompared(scene, design)) continue;
      await design.put(scene);
      await measure(scene, design.name, design.isOurs, true, scene.up < SLOW_LINE ? SLOW_TIMING : TIMING);
      await clean();
    }
  }
}

/** Nobody but us shapes downloads here. */
function isCompared(scene: Scene, design: Design): boolean {
  if (scene.direction === 'down') return design.isMain && (design.isOurs || design.name === NO_QOS);
  if (scene.compared === 'all') return true;
  return design.isMain && (scene.compared === 'main' || design.shapes);
}

/** The row that says that the agent does not shape downloads, if it does not. */
async function absence(scene: Scene): Promise<AbsentRow | undefined> {
  if (scene.direction === 'up') return undefined;
  writeSettings(scene);
  const script = await inQube(SHAPED[scene.place][0], 'qubes-qos-tc', 'print');
  await clean();
  if (/mirred|ifb/.test(script)) return undefined;
  return { kind: 'absent', scene: scene.name, why: 'this version does not shape downloads' };
}

async function measure(
  scene: Scene,
  design: string,
  isOurs: boolean,
  withLoads: boolean,
  timing: Timing,
): Promise<void> {
  const row: SceneRow = {
    ...{ kind: 'scene', scene: scene.name, design, isOurs },
    ...(await runScene(scene, withLoads, timing)),
  };
  record(row);
}

/** The modem's queues at the rates of this scene. */
async function setLine(scene: Scene): Promise<void> {
  const { up, down, upFrames, downFrames } = lineOf(scene);
  const netem = (dev: string, rate: string, frames: number) =>
    inQube('modem', ...`tc qdisc change dev ${dev} root netem rate ${rate} limit ${frames}`.split(' '));
  await netem('wan0', up, upFrames);
  await netem('lan0', down, downFrames);
}
