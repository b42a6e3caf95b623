// Runs test/lab/guest/checks-systemd in guests where systemd is process 1.
import { testGuestChecks } from './guest-checks.js';

await testGuestChecks('systemd');
