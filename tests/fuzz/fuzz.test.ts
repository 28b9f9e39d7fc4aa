// The readers on damaged files, few of them: `npm run fuzz` takes as many as there is time for.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepsPromise } from './target.js';
import { targets } from './targets.js';

const seed = 20260712;

describe('damaged input', () => {
  it.each(targets.map((target) => ({ target, name: target.name })))(
    '$name is read or refused in one line',
    async ({ target }) => {
      let read = 0;
      await fc.assert(
        fc.asyncProperty(target.inputs, async (input) => {
          if (await keepsPromise(target, input)) read++;
        }),
        { seed, numRuns: target.inSuite },
      );
      // Else the inputs are not near valid ones.
      expect(read).toBeGreaterThan(0);
    },
  );
});
