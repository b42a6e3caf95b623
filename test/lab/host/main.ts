// The lab's host program: one command, as scripts/lab got it.
import { runCheckCommand } from './check-command.js';
import { runDemoCommand } from './demo-command.js';
import { LabError } from './host-error.js';
import { runExecCommand, runShellCommand } from './shell-command.js';

const USAGE = `usage: scripts/lab check [FILE...]   run the guest checks (of these files in test/lab/guest/checks*)
       scripts/lab demo              show what the suite does, with real packets
       scripts/lab shell             a shell in the guest, with the little Qubes running
       scripts/lab exec QUBE CMD...  one command in a qube of it
`;

async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'check':
      return runCheckCommand(args);
    case 'demo':
      return runDemoCommand();
    case 'shell':
      return runShellCommand();
    case 'exec':
      return runExecCommand(args);
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const text = error instanceof LabError ? error.message : error;
    console.error(text);
    process.exitCode = 1;
  },
);
