import { test } from 'vitest';
import { bootGuest } from './host/boot.js';
import { checkPath, guestFiles } from './host/bundle.js';
test('x', async () => {
  await bootGuest({
    mode: 'plain',
    job: { run: 'checks' },
    files: await guestFiles([checkPath('plain', process.env['CHECK']!)]),
    timeoutS: 500,
    onRecord: (r) => console.log(JSON.stringify(r).slice(0, 900).replaceAll('\\n', '\n')),
  });
});
