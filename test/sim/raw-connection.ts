// Owns a bare connection for tests: bytes in, bytes out, no idea of any protocol.
import { connect, type Socket } from 'node:net';

/** One connection whose received bytes can be waited for. */
export class RawConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #waiting: (() => void)[] = [];
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async open(path: string): Promise<RawConnection> {
    const socket = connect({ path, allowHalfOpen: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket);
  }

  get received(): Buffer {
    return this.#received;
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Nothing more will be sent; what the other side sends is still read. */
  halfClose(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The first `size` bytes, as soon as they are there; fewer when the other side closed before. */
  async take(size: number): Promise<Buffer> {
    while (this.#received.length < size && !this.#isClosed) await this.#next();
    return this.#received.subarray(0, size);
  }

  /** Everything up to the end that the other side made. */
  async all(): Promise<Buffer> {
    while (!this.#isClosed) await this.#next();
    return this.#received;
  }

  async #next(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
