import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findImages } from '../../src/cli/files.js';

const folder = mkdtempSync(join(tmpdir(), 'panpp-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

function photos(name: string, ...files: string[]): string {
  const path = join(folder, name);
  mkdirSync(join(path, 'below'), { recursive: true });
  for (const file of files) writeFileSync(join(path, file), '');
  return path;
}

it('counts the pictures of other kinds in a folder', async () => {
  const mixed = photos('mixed', 'a.jpg', 'b.HEIC', 'c.heic', 'below/d.tiff', 'e.pdf', 'notes.txt', 'f.svg');
  const { images, passedOver } = await findImages([mixed]);
  expect(images.map(({ resultName }) => resultName)).toEqual(['a']);
  expect(passedOver).toEqual([`${mixed}: 4 pictures passed over (2 heic, 1 pdf, 1 tiff); PNG, JPEG and WebP are read`]);
  expect((await findImages([join(mixed, 'a.jpg')])).passedOver).toEqual([]);
  expect((await findImages([photos('plain', 'a.jpg')])).passedOver).toEqual([]);
});

it('and says so where there are no others', async () => {
  const foreign = photos('foreign', 'a.heic');
  await expect(findImages([foreign])).rejects.toThrow(
    `${foreign}: no PNG, JPEG or WebP files found; ${foreign}: 1 picture passed over (1 heic); PNG, JPEG and WebP are read`,
  );
});
