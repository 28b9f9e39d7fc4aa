// Writes src/images/glyphs.ts: the letters for words in pictures, from the npm package hershey.
// Run it after an update of that package. The package itself can't be in the browser bundle: it
// needs Node's Buffer, and its data is in base64, which hardly compresses.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';

const file = new URL('../src/images/glyphs.ts', import.meta.url);

/** The text of src/images/glyphs.ts. */
export async function glyphsModule() {
  const source = createRequire(import.meta.url).resolve('hershey/font/jhf/rowmans.jhf');
  // A line per character from the space on. It begins with the glyph's number and its count of
  // points, in eight columns. The last line is a degree sign.
  const glyphs = readFileSync(source, 'ascii')
    .trimEnd()
    .split('\n')
    .slice(0, 95)
    .map((line) => line.slice(8));
  const text = `/*! The Hershey Fonts were originally created by Dr. A. V. Hershey while working at the U. S.
National Bureau of Standards. The format of the font data was originally created by James Hurt,
Cognition, Inc., 900 Technology Park Drive, Billerica, MA 01821 (mit-eddie!ci-dandelion!hurt). */
// Written by scripts/glyphs.mjs. Bundlers keep the notice above, which must go with the data.

/**
 * The printable ASCII characters of the Hershey font "simplex roman", from the space on. A pair of
 * letters is a point (x to the right, y down; R is 0, S is 1 and Q is -1). The first pair is the
 * left and the right side of the character. A point with a space as x ends a line.
 */
export const GLYPHS: readonly string[] = ${JSON.stringify(glyphs)};
`;
  const filepath = fileURLToPath(file);
  return format(text, { ...(await resolveConfig(filepath)), filepath });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(file, await glyphsModule());
}
