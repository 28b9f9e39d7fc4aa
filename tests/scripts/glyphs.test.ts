// The letters in src/images/glyphs.ts are those of the package that they come from.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { glyphsModule } from '../../scripts/glyphs.mjs';

it('src/images/glyphs.ts is what scripts/glyphs.mjs writes', async () => {
  const written = readFileSync(new URL('../../src/images/glyphs.ts', import.meta.url), 'utf8');
  expect(written).toBe(await glyphsModule());
});
