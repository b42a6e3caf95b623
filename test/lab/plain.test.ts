// Runs test/lab/guest/checks in plain guests.
import { testGuestChecks } from './guest-checks.js';

await testGuestChecks('plain');
