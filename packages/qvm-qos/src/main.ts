// Owns the process of qvm-qos: its arguments, its streams and its exit code.
import { runProgram } from './program.js';

/** Undefined until there is something to print: to open it takes time, and a `set` prints nothing. */
let stdout: NodeJS.WriteStream | undefined;

void runProgram(process.argv.slice(2), {
  stdout: (text) => {
    if (text !== '') (stdout ??= openStdout()).write(text);
  },
  stderr: (text) => void process.stderr.write(text),
}).then((exitCode) => {
  process.exitCode = exitCode;
});

/** `qvm-qos list | head -1` closes the pipe early, which is no fault. */
function openStdout(): NodeJS.WriteStream {
  return process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
