// Owns the cpio archive ("newc", Linux Documentation/driver-api/early-userspace/buffer-format.rst) that carries one
// run's files into the guest. The kernel unpacks it over the root's archive.

/** One file of an archive. */
export interface ArchiveFile {
  readonly content: Uint8Array | string;
  /** True for a program: mode 0755 instead of 0644. */
  readonly executable?: boolean;
}

/** The kernel wants each archive to start at a multiple of 4 bytes; cpio itself pads to a block. */
export const BLOCK = 512;

const DIRECTORY = 0o040_755;
const PLAIN = 0o100_644;
const PROGRAM = 0o100_755;

/** An archive of files by absolute path, with the directories above them; owned by root, times 0, sorted by path. */
export function cpioArchive(files: Readonly<Record<string, ArchiveFile>>): Buffer {
  const paths = Object.keys(files).sort();
  const directories = [...new Set(paths.flatMap(directoriesAbove))].sort();
  const entries = [
    ...directories.map((path, index) => entry(index + 1, path, DIRECTORY, Buffer.alloc(0))),
    ...paths.map((path, index) => fileEntry(directories.length + index + 1, path, files[path]!)),
    entry(0, 'TRAILER!!!', 0, Buffer.alloc(0)),
  ];
  return pad(Buffer.concat(entries), BLOCK);
}

function directoriesAbove(path: string): string[] {
  const parts = path.split('/').slice(1, -1);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

function fileEntry(inode: number, path: string, file: ArchiveFile): Buffer {
  return entry(inode, path, file.executable ? PROGRAM : PLAIN, Buffer.from(file.content));
}

function entry(inode: number, path: string, mode: number, content: Buffer): Buffer {
  const name = path.replace(/^\//, '');
  // Magic, then: inode mode uid gid links mtime size devmajor devminor rdevmajor rdevminor namesize check.
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([pad(Buffer.from(`${header}${name}\0`), 4), pad(content, 4)]);
}

function pad(bytes: Buffer, multiple: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((multiple - (bytes.length % multiple)) % multiple)]);
}
