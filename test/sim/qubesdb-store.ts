// Owns the database behind the QubesDB simulator: which keys and values the real daemon takes, in which order it
// shows them. No sockets.
import { MAX_VALUE_BYTES } from '@qubes-qos/core/vm-config';
import { MAX_PATH_BYTES } from '@qubes-qos/host/qubesdb/codec';

/** One key with its value. */
type Entry = readonly [path: string, value: Uint8Array];

/** The keys of one qube. Paths have one character a byte. */
export class QubesDbStore {
  readonly #values = new Map<string, Uint8Array>();

  read(path: string): Uint8Array | undefined {
    return this.#values.get(path);
  }

  /** Stores a value; false when the path cannot be a key. */
  write(path: string, value: Uint8Array): boolean {
    if (!path.startsWith('/') || path.endsWith('/')) return false;
    this.#values.set(path, value);
    return true;
  }

  /** Removes a key, or with a trailing slash all below it; false when there was none. */
  remove(path: string): boolean {
    if (!path.endsWith('/')) return this.#values.delete(path);
    const below = [...this.#values.keys()].filter((key) => key.startsWith(path));
    for (const key of below) this.#values.delete(key);
    return below.length > 0;
  }

  /** The entries whose path begins with the text (which need not end at a slash), in the daemon's order. */
  select(prefix: string): Entry[] {
    return [...this.#values]
      .filter(([path]) => path.startsWith(prefix))
      .sort(([first], [second]) => (first < second ? -1 : 1));
  }
}

/** True when the daemon takes the path in a header (daemon/db-cmds.c verify_path). */
export function isValidPath(path: string): boolean {
  return path.length <= MAX_PATH_BYTES && /^(?!-)[A-Za-z0-9_/.:@-]*$/.test(path);
}

/** True when the daemon takes the value. */
export function isValidValue(value: Uint8Array): boolean {
  return value.length <= MAX_VALUE_BYTES && !value.includes(0);
}

/** True when a watch on `watched` hears of `path`: exactly, or with a trailing slash everything below. */
export function watchHears(watched: string, path: string): boolean {
  return watched.endsWith('/') ? path.startsWith(watched) : path === watched;
}
