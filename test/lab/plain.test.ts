// Runs test/lab/guest/checks in plain guests, but for the measurements.
import { MEASUREMENTS, testGuestChecks } from './guest-checks.js';

await testGuestChecks('plain', (file) => !MEASUREMENTS.includes(file));
