import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { expect, it } from 'vitest';
import { PassCache } from '../../src/model/pass-cache.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('a kept pass does not keep the results of its calls', async () => {
  const cache = new PassCache(2);
  const shelf = cache.shelf();
  const kept = await shelf.find('64x64', async () => ({ memory: { bytes: 1 }, dispose: () => {} }));
  const results: WeakRef<object>[] = [];
  const work = async () => {
    const result = { regions: [] };
    results.push(new WeakRef(result));
    return result;
  };
  for (let call = 0; call < 10; call++) {
    const working = work();
    kept.holdFor(working);
    await working;
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
  collectGarbage();
  // The last one may still be on the stack.
  expect(results.filter((result) => result.deref()).length).toBeLessThanOrEqual(1);
  expect(cache.bytes).toBe(1);
});
