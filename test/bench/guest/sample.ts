// Owns what is read beside the traffic while it runs: how much of the line is used, and whether flows are offloaded.
import { forwarded, type Forwarded } from '../../lab/guest/measure.js';
import { inQube } from '../../lab/guest/namespaces.js';
import { NIC } from '../../lab/guest/qubes.js';
import { sleep } from '../../lab/guest/run.js';
import type { Figure, SceneRow } from '../figures.js';
import { isRoundTrip } from '../scene-facts.js';
import { type Scene } from '../scenes.js';

/** What the line says of a row. */
export type LineFigures = Pick<SceneRow, 'used' | 'usedDown' | 'forwarded'>;

/** Reading takes the processor for some milliseconds, which no stream is to see. */
const SAMPLE_EARLY_MS = 200;

interface Sample {
  readonly atMs: number;
  readonly up: number;
  readonly down: number;
  readonly forwarded: Forwarded | undefined;
}

/** Reads just before the first phase and in the pause before the last: the loads send all the time in between. */
export async function sampleLine(scene: Scene, firstMs: number, lastMs: number): Promise<LineFigures> {
  await sleep(firstMs - SAMPLE_EARLY_MS - Date.now());
  const before = await sample(scene);
  await sleep(lastMs - SAMPLE_EARLY_MS - Date.now());
  const after = await sample(scene);
  const seconds = (after.atMs - before.atMs) / 1000;
  const used = (direction: 'up' | 'down'): Figure =>
    ((after[direction] - before[direction]) * 8) / (seconds * scene[direction]);
  if (scene.direction === 'up') return { used: used('up') };
  return {
    used: scene.direction === 'down' ? used('down') : used('up'),
    ...(scene.direction === 'both' ? { usedDown: used('down') } : {}),
    forwarded: {
      forwardHook: after.forwarded!.forwardHook - before.forwarded!.forwardHook,
      received: after.forwarded!.received - before.forwarded!.received,
    },
  };
}

async function sample(scene: Scene): Promise<Sample> {
  return {
    atMs: performance.now(),
    up: await receivedBytes('isp', 'modem0'),
    down: await receivedBytes('sys-net', NIC),
    forwarded: isRoundTrip(scene) ? await forwarded('sys-firewall') : undefined,
  };
}

async function receivedBytes(qube: string, dev: string): Promise<number> {
  return Number(await inQube(qube, 'cat', `/sys/class/net/${dev}/statistics/rx_bytes`));
}
