// Runs the checks that measure under load.
import { MEASUREMENTS, testGuestChecks } from './guest-checks.js';

await testGuestChecks('plain', (file) => MEASUREMENTS.includes(file));
