// Owns what is read beside the traffic while it runs: how much of the line and of the processor is used, and whether flows are offloaded.
import { readFileSync } from 'node:fs';
import { forwarded, type Forwarded } from '../../lab/guest/measure.js';
import { inQube } from '../../lab/guest/namespaces.js';
import { NIC } from '../../lab/guest/qubes.js';
import { sleep } from '../../lab/guest/run.js';
import type { Figure, SceneRow } from '../figures.js';
import { isRoundTrip } from '../scene-facts.js';
import { type Scene } from '../scenes.js';

/** What is read of a row. */
export type LineFigures = Pick<SceneRow, 'used' | 'usedDown' | 'busy' | 'forwarded'>;

/** Reading takes the processor for some milliseconds, which no stream is to see. */
const SAMPLE_EARLY_MS = 200;

interface Sample {
  readonly atMs: number;
  readonly up: number;
  readonly down: number;
  readonly idleSeconds: number;
  readonly forwarded: Forwarded | undefined;
}

/** Reads just before the first phase and in the pause before the last: the loads send all the time in between. */
export async function sampleLine(scene: Scene, firstMs: number, lastMs: number): Promise<LineFigures> {
  await sleep(firstMs - SAMPLE_EARLY_MS - Date.now());
  const before = await sample(scene);
  await sleep(lastMs - SAMPLE_EARLY_MS - Date.now());
  const after = await sample(scene);
  const seconds = (after.atMs - before.atMs) / 1000;
  const busy = 1 - (after.idleSeconds - before.idleSeconds) / seconds;
  const used = (direction: 'up' | 'down'): Figure =>
    ((after[direction] - before[direction]) * 8) / (seconds * scene[direction]);
  if (scene.direction === 'up') return { used: used('up'), busy };
  return {
    busy,
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
    idleSeconds: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[1]),
    forwarded: isRoundTrip(scene) ? await forwarded('sys-firewall') : undefined,
  };
}

async function receivedBytes(qube: string, dev: string): Promise<number> {
  return Number(await inQube(qube, 'cat', `/sys/class/net/${dev}/statistics/rx_bytes`));
}
