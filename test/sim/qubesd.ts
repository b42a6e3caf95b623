// Owns a simulated qubesd: framing, limits and the event stream of the real one, on a Unix socket.
import { createServer, type Server, type Socket } from 'node:net';
import type { MachineModel } from './machine.js';
import { AdminFault, type MachineEvent, type Qube } from './machine-types.js';
import { callMethod } from './qubesd-methods.js';

const MAX_REQUEST_BYTES = 65_536;

/** A request as the server understood it; the payload is text, one byte a character. */
interface SimulatedRequest {
  readonly source: string;
  readonly method: string;
  readonly argument: string;
  readonly destination: string;
  readonly payload: string;
}

/** What a test may put in place of a reply: other bytes, nothing at all, or a silence that lasts. */
export type Intercept = (request: SimulatedRequest) => Uint8Array | 'close' | 'silence' | undefined;

/** A qubesd that serves one machine until it is closed. */
export class Qubesd {
  readonly #server: Server;
  readonly #machine: MachineModel;
  readonly #intercept: Intercept;
  readonly #sockets = new Set<Socket>();
  /** Every request that was understood, oldest first. */
  readonly requests: SimulatedRequest[] = [];

  private constructor(machine: MachineModel, intercept: Intercept) {
    this.#machine = machine;
    this.#intercept = intercept;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  /** Serves `machine` at `socketPath`; `intercept` sees each request first. */
  static async listen(
    socketPath: string,
    machine: MachineModel,
    intercept: Intercept = () => undefined,
  ): Promise<Qubesd> {
    const qubesd = new Qubesd(machine, intercept);
    await new Promise<void>((resolve, reject) => {
      qubesd.#server.once('error', reject).listen(socketPath, resolve);
    });
    return qubesd;
  }

  /** Ends every connection, event streams too, and removes the socket. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(socket: Socket): void {
    const chunks: Buffer[] = [];
    let size = 0;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A client that goes away before its reply is the client's affair.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_REQUEST_BYTES) socket.destroy();
    });
    socket.on('end', () => this.#answer(socket, Buffer.concat(chunks)));
  }

  #answer(socket: Socket, bytes: Buffer): void {
    const request = parseRequest(bytes);
    if (!request) {
      socket.end();
      return;
    }
    this.requests.push(request);
    const other = this.#intercept(request);
    if (other === 'silence') return;
    if (other !== undefined) {
      socket.end(other === 'close' ? '' : other);
      return;
    }
    try {
      const destination = this.#resolve(request);
      if (request.method === 'admin.Events') this.#stream(socket, destination);
      else socket.end(Buffer.from(`0\0${callMethod(this.#machine, { ...request, destination })}`, 'latin1'));
    } catch (error) {
      socket.end(error instanceof AdminFault ? encodeFault(error) : '');
    }
  }

  #resolve({ source, destination }: SimulatedRequest): Qube {
    this.#machine.qube(source);
    return this.#machine.qube(destination);
  }

  #stream(socket: Socket, destination: Qube): void {
    const send = (event: MachineEvent): void => {
      if (destination.class === 'AdminVM' || event.subject === destination.name)
        socket.write(encodeEvent(event));
    };
    socket.write(encodeEvent({ subject: '', event: 'connection-established', kwargs: {} }));
    const stop = this.#machine.onEvent(send);
    socket.on('close', stop);
  }
}

/** `METHOD+ARG SRC name DEST\0PAYLOAD`; undefined when it is not that, and qubesd closes without a byte. */
function parseRequest(bytes: Buffer): SimulatedRequest | undefined {
  const text = bytes.toString('latin1');
  const match = /^([^ +\0]+)(?:\+([^ \0]*))? ([^ \0]+) (name|keyword) ([^ \0]+)\0([^]*)$/.exec(text);
  if (!match) return undefined;
  const [, method = '', argument = '', source = '', type, target = '', payload = ''] = match;
  if (type === 'keyword' && target !== 'adminvm') return undefined;
  return { source, method, argument, destination: type === 'keyword' ? 'dom0' : target, payload };
}

function encodeFault({ type, message }: AdminFault): Buffer {
  return Buffer.from(`2\0${type}\0\0${message}\0`, 'latin1');
}

function encodeEvent({ subject, event, kwargs }: MachineEvent): Buffer {
  const pairs = Object.entries(kwargs).map(([key, value]) => `${key}\0${value}\0`);
  return Buffer.from(`1\0${subject}\0${event}\0${pairs.join('')}\0`, 'latin1');
}
