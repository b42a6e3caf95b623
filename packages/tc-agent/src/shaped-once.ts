// Owns that one line is shaped once, where a tunnel and what carries it are in the same qube: who yields is decided with
// the roles; here is what is said of it. Pure.
import type { Link } from '@qubes-qos/core/links';
import { settingsOf, type TcConfig } from '@qubes-qos/core/tc-config';
import { isTunnel } from './roles.js';

/** True when the settings give an interface a rate, should it be a line. */
export function hasRate(ifname: string, config: TcConfig): boolean {
  const { up, down } = settingsOf(config, ifname);
  return typeof up === 'number' || typeof down === 'number';
}

/** Why an uplink is not shaped: a tunnel that it carries is, or what carries it. */
export function yieldNotes(link: Link, lines: readonly Link[], config: TcConfig): string[] {
  const shaped = lines.filter(({ ifname }) => hasRate(ifname, config));
  const names = shaped.map(({ ifname }) => ifname).join(' and ');
  if (shaped.length === 0 || shaped.some(isTunnel) === isTunnel(link)) return [];
  if (isTunnel(link)) return [`no rate: shaped by ${names}, which carries it and cannot see its classes`];
  if (!hasRate(link.ifname, config)) return [];
  return [`not shaped: ${names} is, where the classes are seen, and a line is shaped once`];
}

/** Tunnels do not say what carries them: two that are shaped may be one in the other. */
export function doubtNotes(link: Link, lines: readonly Link[], config: TcConfig): string[] {
  const others = lines.filter((line) => line !== link && isTunnel(line) && hasRate(line.ifname, config));
  if (!isTunnel(link) || others.length === 0 || !hasRate(link.ifname, config)) return [];
  const names = others.map(({ ifname }) => ifname).join(' and ');
  return [`shaped like ${names}: if one carries the other, set up = "off" for the one that carries`];
}
