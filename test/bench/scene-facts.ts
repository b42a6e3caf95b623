// Owns what follows from a scene: its line, its floor, what its classes may expect. Pure.
import { classOf, type ClassName } from '@qubes-qos/core/classes';
import type { Line } from '../lab/guest/line.js';
import { FRAME_BYTES, USE, type Load, type Scene } from './scenes.js';

/** Whether the packets of a load come from the Internet. */
export function comesDown(scene: Scene, load: Load): boolean {
  return scene.direction === 'down' || load.isDownload === true;
}

/** Whether streams are timed there and back. */
export function isRoundTrip(scene: Scene): boolean {
  return scene.direction !== 'up';
}

/** The line of a scene: 500 ms of queue in each direction. */
export function lineOf(scene: Scene): Line {
  const frames = (rate: number) => Math.max(1, Math.floor((rate * 0.5) / 8 / FRAME_BYTES));
  return {
    up: `${scene.up}bit`,
    down: `${scene.down}bit`,
    upFrames: frames(scene.up),
    downFrames: frames(scene.down),
  };
}

/**
 * The delay that no order of packets can beat, ms: a full frame has just been put on each shaped line, then the idle path.
 * @param idleMs - what a packet needs on the idle line.
 */
export function floorMs(scene: Scene, idleMs: number): number {
  const [up, down] = [scene.up * USE, scene.shapedDown ?? scene.down * USE];
  const rates = { up: [up], down: [down], both: [up, down] }[scene.direction];
  return rates.reduce((sum, rate) => sum + (FRAME_BYTES * 8 * 1000) / rate, idleMs);
}

/** What a load of only TCP, or only UDP, takes of the line: its payload and the headers of its full frames. */
export function onTheWire({ family }: Scene, { tcp }: Load, payload: number): number {
  // Ethernet, IP, and TCP with time stamps or UDP.
  const headers = 14 + (family === 'ip' ? 20 : 40) + (tcp > 0 ? 32 : 8);
  return (payload * FRAME_BYTES) / (FRAME_BYTES - headers);
}

/** What a class may expect of those that are configured to share, 0 to 1: by weight among the classes that load the line. */
export function configuredShare(scene: Scene, name: ClassName): number {
  const classes = new Set(scene.loads.map((load) => load.class));
  const sum = [...classes].reduce((total, one) => total + classOf(one).share, 0);
  return classOf(name).share / sum;
}
