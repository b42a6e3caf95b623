// The script of every tree, byte for byte. The lab gives each of these files to a real tc and reads it back.
import { buildTree } from '@qubes-qos/core/tc/diff';
import { renderTc } from '@qubes-qos/core/tc/render';
import { describe, expect, test } from 'vitest';
import { OTHER_TREES, TREES } from './trees.js';

describe('golden scripts', () => {
  test.each(Object.entries({ ...TREES, ...OTHER_TREES }))('%s', async (name, tree) => {
    const script = renderTc([buildTree('ens6', tree, '5')]);
    expect(script.devices).toHaveLength(script.text.split('\n').length - 1);
    await expect(script.text).toMatchFileSnapshot(`../golden/${name}.tc`);
  });

  test('a tree of the other side differs in its majors only', () => {
    for (const tree of Object.values({ ...TREES, ...OTHER_TREES })) {
      const five = renderTc([buildTree('ens6', tree, '5')]).text;
      const six = renderTc([buildTree('ens6', tree, '6')]).text;
      expect(six).not.toMatch(/\b5[1-9][0-9a-f]?:/);
      expect(six.replaceAll(/\b6([1-9][0-9a-f]?:)/g, '5$1')).toBe(five);
    }
  });
});
