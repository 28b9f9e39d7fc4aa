// The direction of imports, by the linter's own rule.
import { importX } from 'eslint-plugin-import-x';
import { Linter } from 'eslint';
import { describe, expect, it } from 'vitest';
import { tsOfJs, zones } from '../../scripts/import-zones.mjs';

const root = new URL('../..', import.meta.url).pathname;

/** How many imports are refused in a file. */
function refusals(path: string, ...sources: string[]): number {
  const code = sources.map((source) => `import '${source}';`).join('\n');
  const messages = new Linter({ cwd: root }).verify(
    code,
    [
      {
        files: ['**/*.ts'],
        plugins: { 'import-x': importX },
        settings: { 'import-x/resolver-next': [tsOfJs] },
        rules: { 'import-x/no-restricted-paths': ['error', { basePath: root, zones }] },
      },
    ],
    { filename: `${root}${path}` },
  );
  for (const { message } of messages) expect(message).toMatch(/imports go in one direction/);
  return messages.length;
}

describe('imports', () => {
  it.each([
    ['src/gpu/a.ts', '../layers/b.js'],
    ['src/layers/conv/tiles/a.ts', '../../../network/b.js'],
    ['src/detection/a.ts', '../recognition/b.js'],
    ['src/evaluation/a.ts', '../formats/b.js'],
    ['src/evaluation/protocols/a.ts', '../../formats/b.js'],
    ['src/layers/a.ts', './conv/b.js'],
    ['src/evaluation/formats/a.ts', '../b.js'],
    ['src/evaluation/formats/text/a.ts', '../../b.js'],
    ['src/model/a.ts', '../index.js'],
    ['src/node/a.ts', '../node.js'],
    ['src/serve/a.ts', '../cli/b.js'],
    ['src/serve/a.ts', '../node.js'],
  ])('from %s to %s are refused', (path, source) => {
    expect(refusals(path, source)).toBe(1);
  });

  it.each([
    ['src/layers/a.ts', '../gpu/b.js'],
    ['src/layers/conv/tiles/a.ts', '../../a.js'],
    ['src/evaluation/a.ts', './formats/b.js'],
    // A folder within the room, not the room `formats`.
    ['src/evaluation/protocols/a.ts', '../formats/b.js'],
    ['src/evaluation/formats/text/a.ts', '../b.js'],
    ['src/cli/a.ts', '../node.js'],
    ['src/cli/a.ts', '../serve/b.js'],
    ['src/model/a.ts', '../errors.js'],
  ])('from %s to %s are accepted', (path, source) => {
    expect(refusals(path, source)).toBe(0);
  });
});
