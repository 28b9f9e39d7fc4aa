import { runInNewContext } from 'node:vm';
import { setFlagsFromString } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { PassCache } from '../../src/model/pass-cache.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A cache, and the passes that it has disposed of. */
function cacheOf(limits: { least: number; most: number; bytes: number }) {
  const disposed: string[] = [];
  const cache = new PassCache(limits);
  const shelf = cache.shelf();
  const find = (key: string, bytes: number) =>
    shelf.find(key, async () => ({ memory: { bytes }, dispose: () => disposed.push(key) }));
  return { cache, disposed, find };
}

describe('passes that are kept', () => {
  it('are the most recent ones, and few if they are large', async () => {
    const { cache, disposed, find } = cacheOf({ least: 2, most: 16, bytes: 100 });
    for (const key of ['a', 'b', 'a', 'c', 'd']) await find(key, 80);
    expect({ disposed, bytes: cache.bytes }).toEqual({ disposed: ['b', 'a'], bytes: 160 });
  });

  it('are more while they are small, to a limit', async () => {
    const { cache, disposed, find } = cacheOf({ least: 2, most: 4, bytes: 100 });
    for (const key of ['a', 'b', 'c', 'd', 'a', 'e']) await find(key, 10);
    expect(disposed).toEqual(['b']);
    await find('large', 300);
    expect(disposed).toEqual(['b', 'c']);
    // No room for more, until only the least number is left beside a new one.
    await find('f', 10);
    expect({ disposed, bytes: cache.bytes }).toEqual({
      disposed: ['b', 'c', 'd', 'a', 'e'],
      bytes: 310,
    });
  });

  it('are disposed of only when nothing uses them', async () => {
    const { disposed, find } = cacheOf({ least: 1, most: 1, bytes: 0 });
    let end!: () => void;
    (await find('a', 1)).holdFor(new Promise<void>((resolve) => (end = resolve)));
    const next = find('b', 1);
    await new Promise(setImmediate);
    expect(disposed).toEqual([]);
    end();
    await next;
    expect(disposed).toEqual(['a']);
  });

  it('do not keep the results of their calls', async () => {
    const cache = new PassCache({ least: 2, most: 2, bytes: 0 });
    const shelf = cache.shelf();
    const kept = await shelf.find('64x64', async () => ({
      memory: { bytes: 1 },
      dispose: () => {},
    }));
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
});
