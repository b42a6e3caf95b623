// Owns QEMU's command line and the life of one guest. The processor counts instructions (-icount), nothing outside can
// interrupt it, and all files are in memory: the same input gives the same output, however busy the host is.
import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './host-error.js';

export interface GuestRun {
  readonly kernel: string;
  readonly initramfs: string;
  /** Where the console and the records go; must exist and be this run's own. */
  readonly directory: string;
  /** Wall clock, not the guest's. */
  readonly timeoutS: number;
  /** Called with each further piece of the records while the guest runs. */
  readonly onRecords?: ((text: string) => void) | undefined;
  /** Connects the console to the terminal; time then is real and nothing is repeatable. */
  readonly isInteractive: boolean;
}

/** What a guest that ended by itself has left. */
export interface GuestOutput {
  readonly console: string;
  /** What it wrote on its second serial port. */
  readonly records: string;
}

const MEMORY_MB = 2048;
const RECORDS_POLL_MS = 200;

const MACHINE = [
  '-machine',
  'pc',
  '-m',
  `${MEMORY_MB}`,
  '-smp',
  '1',
  '-nodefaults',
  '-no-reboot',
  '-display',
  'none',
];

/** One instruction is 2 ns: 500 MIPS. `sleep=off`: idle time is skipped, so ten seconds of a quiet line cost nothing. */
const VIRTUAL_TIME = [
  ...['-accel', 'tcg,thread=single', '-icount', 'shift=1,sleep=off'],
  ...['-rtc', 'base=2026-01-01T00:00:00,clock=vm'],
  // QEMU hands the kernel a random seed; with this it is the same each time.
  ...['-seed', '1'],
];
/** For a person. Not KVM, which a machine that is itself virtual may have and not be able to use. signal=off: Ctrl-C goes into the guest. */
const REAL_TIME = [...['-accel', 'tcg'], ...['-chardev', 'stdio,id=terminal,signal=off']];

/** A panic ends the guest at once. */
const KERNEL_ARGUMENTS =
  'console=ttyS0 loglevel=4 panic=-1 rdinit=/lab/init systemd.show_status=auto lsm=capability mitigations=off';

/** Everything that would make two boots differ is off. */
const REPEATABLE = 'tsc=reliable clocksource=tsc lpj=4000000 norandmaps nokaslr random.trust_cpu=off';

/** Boots and waits until the guest has powered off. @throws LabError on a time-out or when QEMU fails. */
export async function runGuest(run: GuestRun): Promise<GuestOutput> {
  const consoleFile = join(run.directory, 'console');
  const recordsFile = join(run.directory, 'records');
  const child = spawn('qemu-system-x86_64', argumentsOf(run, consoleFile, recordsFile), {
    stdio: run.isInteractive ? 'inherit' : ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr?.on('data', (data: Buffer) => (said += data.toString()));
  const records = followFile(recordsFile, run.onRecords);
  const ended = await endOf(child, run.timeoutS);
  const text = await records.stop();
  const shown = await readFile(consoleFile, 'utf8').catch(() => '');
  if (ended !== '') throw new LabError(`${ended}; the console ended with:`, said + shown);
  return { console: shown, records: text };
}

/** Empty when the guest ended by itself, else what happened. */
async function endOf(child: ChildProcess, timeoutS: number): Promise<string> {
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(`the guest did not end within ${timeoutS} s`);
      kill();
    }, timeoutS * 1000);
    child.once('error', (error) => resolve(`cannot run qemu-system-x86_64: ${error.message}`));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      process.off('exit', kill);
      resolve(code === 0 ? '' : `QEMU ended with ${signal ?? `exit code ${code ?? '?'}`}`);
    });
  });
}

function argumentsOf(run: GuestRun, consoleFile: string, recordsFile: string): string[] {
  return [
    ...MACHINE,
    ...(run.isInteractive ? REAL_TIME : VIRTUAL_TIME),
    ...[
      '-serial',
      run.isInteractive ? 'chardev:terminal' : `file:${consoleFile}`,
      '-serial',
      `file:${recordsFile}`,
    ],
    ...[
      '-kernel',
      run.kernel,
      '-initrd',
      run.initramfs,
      '-append',
      run.isInteractive ? KERNEL_ARGUMENTS : `${KERNEL_ARGUMENTS} ${REPEATABLE}`,
    ],
  ];
}

/** Hands on what is appended to a file until stopped, then returns the whole. */
function followFile(
  path: string,
  onText: (text: string) => void = () => undefined,
): { stop(): Promise<string> } {
  let offset = 0;
  const poll = async () => {
    const file = await open(path).catch(() => undefined);
    if (file === undefined) return;
    const rest = (await file.readFile()).subarray(offset);
    await file.close();
    // A piece ends with a line, so that no character is cut in two.
    const end = rest.lastIndexOf(0x0a) + 1;
    offset += end;
    if (end > 0) onText(rest.subarray(0, end).toString());
  };
  // One after the other: two at once would hand on the same piece.
  let polled = Promise.resolve();
  const next = (): Promise<void> => (polled = polled.then(poll));
  const timer = setInterval(() => void next(), RECORDS_POLL_MS);
  return {
    async stop() {
      clearInterval(timer);
      await next();
      return readFile(path, 'utf8').catch(() => '');
    },
  };
}
