// Owns the Admin API over qrexec, for a qube that dom0's policy lets administer others.
import { QosError } from '@qubes-qos/core/errors';
import { startPipe, type Pipe } from '@qubes-qos/host/process';
import { ReplyBuffer } from './collect.js';
import { assertRequest, decodeReply, EventDecoder, type AdminEvent, type AdminRequest } from './codec.js';

/** A call starts a process and asks the policy, on a machine that may be busy. */
const TIMEOUT_MS = 60_000;

/** What qrexec-client-vm exits with when the policy of dom0 refuses (qubes-core-qrexec agent/qrexec-client-vm.c). */
const REFUSED = 126;

/** The Admin API over `qrexec-client-vm DESTINATION METHOD+ARGUMENT`; the replies are those of the socket. */
export class QrexecClient {
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  /** @throws AdminException for what qubesd raised; QosError of kind refused, connection, timeout or protocol */
  async call(request: AdminRequest): Promise<string> {
    const pipe = this.#start(request);
    const timer = setTimeout(() => pipe.stop(), TIMEOUT_MS);
    try {
      const reply = new ReplyBuffer(request);
      for await (const chunk of pipe.chunks) reply.add(chunk);
      await assertDone(pipe, request);
      return decodeReply(reply.bytes());
    } finally {
      clearTimeout(timer);
      pipe.stop();
    }
  }

  /** As AdminClient.events. */
  async *events(destination: string, signal?: AbortSignal): AsyncGenerator<AdminEvent, void, undefined> {
    const request = { method: 'admin.Events', destination };
    const decoder = new EventDecoder();
    const pipe = this.#start(request);
    signal?.addEventListener('abort', pipe.stop);
    if (signal?.aborted) pipe.stop();
    try {
      for await (const chunk of pipe.chunks) yield* decoder.push(chunk);
      if (signal?.aborted) return;
      await assertDone(pipe, request);
      decoder.end();
    } finally {
      signal?.removeEventListener('abort', pipe.stop);
      pipe.stop();
    }
  }

  #start(request: AdminRequest): Pipe {
    assertRequest(request);
    const { method, argument = '', destination, payload = '' } = request;
    return startPipe([this.#program, destination, `${method}+${argument}`], payload);
  }
}

/** @throws QosError unless the call came through */
async function assertDone(
  { ended }: Pipe,
  { method, argument = '', destination }: AdminRequest,
): Promise<void> {
  const { exitCode, stderr } = await ended;
  if (exitCode === 0) return;
  const call = `${method}+${argument} for ${destination}`;
  if (exitCode === REFUSED) {
    throw new QosError(
      'refused',
      `the policy of dom0 does not let this qube call ${call}; to allow it, install 30-qubes-qos-admin.policy in dom0, see qvm-qos(1).`,
    );
  }
  if (exitCode === null)
    throw new QosError(
      'timeout',
      `dom0 did not answer ${call} within ${TIMEOUT_MS / 1000} s; whether it was done is not known.`,
    );
  const said = stderr
    .trim()
    .replaceAll(/[^ -~]+/g, ' ')
    .slice(0, 300);
  throw new QosError(
    'connection',
    `qrexec-client-vm failed with exit code ${exitCode} for ${call}: ${said === '' ? 'it printed nothing' : said}.`,
  );
}
