import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeFolder } from '../../src/node/folders.js';

const scratch = mkdtempSync(join(tmpdir(), 'panpp-folders-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it('a folder is made by several at once, with its parents', async () => {
  for (let round = 0; round < 300; round++) {
    const parent = join(scratch, `${round}`, 'images');
    await Promise.all(['a', 'b', 'c', 'c'].map((name) => makeFolder(join(parent, name))));
  }
});

it('a folder that can’t be made is an error, though its parent is there', async () => {
  await expect(makeFolder('/proc/panpp/a')).rejects.toMatchObject({ code: 'ENOENT' });
});
