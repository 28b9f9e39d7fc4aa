import { describe, expect, it } from 'vitest';
import { type StreamOptions, streamed } from '../../src/model/stream.js';
import { Turns } from '../../src/model/turns.js';

const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

/** A source of `count` numbers that knows how it was used. */
function numbers(count: number) {
  const state = { asked: 0, left: false };
  async function* generate() {
    try {
      for (let value = 0; value < count; value++) {
        state.asked++;
        await Promise.resolve();
        yield value;
      }
    } finally {
      state.left = true;
    }
  }
  return { state, images: generate() };
}

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const result of results) list.push(result);
  return list;
}

describe('a stream of images', () => {
  it('gives results in order, each with its image, however long each takes', async () => {
    const work = async (image: number) => {
      await new Promise((resolve) => setTimeout(resolve, image % 2 ? 1 : 12));
      return { square: image * image };
    };
    const results = await all(streamed([3, 4, 5, 6], work, { concurrency: 3 }));
    expect(results).toEqual(
      [3, 4, 5, 6].map((image, index) => ({ image, index, square: image * image })),
    );
  });

  it.each([undefined, null, 7, { width: 1, height: 1 }])('is none if it is %o', async (images) => {
    await expect(all(streamed(images as never, async () => ({}), {}))).rejects.toMatchObject({
      code: 'argument',
      message: expect.stringMatching(/for one image use detect or spot$/) as unknown,
    });
  });

  it.each([1, 2, 5])('never works on more than %i', async (concurrency) => {
    let now = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++now);
      await soon();
      now--;
      return {};
    };
    expect(await all(streamed(numbers(12).images, work, { concurrency }))).toHaveLength(12);
    expect(most).toBe(concurrency);
  });

  it('requests no image while the consumer is behind', async () => {
    const { state, images } = numbers(100);
    const results = streamed(images, async () => ({}), { concurrency: 2 });
    await results.next();
    for (let pause = 0; pause < 5; pause++) await soon();
    expect(state.asked).toBeLessThanOrEqual(3);
    await results.return();
    expect(state.left).toBe(true);
  });

  it('does not hold a result back until the next image comes', async () => {
    async function* slow() {
      yield 0;
      await new Promise(() => {}); // a camera that has stopped
    }
    const results = streamed(slow(), async () => ({}), { concurrency: 4 });
    expect((await results.next()).value).toMatchObject({ index: 0 });
    // Leaving does not wait for what never comes.
    const controller = new AbortController();
    const again = streamed(slow(), async () => ({}), { concurrency: 4, signal: controller.signal });
    await again.next();
    const next = again.next();
    controller.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });

  it('ends with the first failure, after the results before it, and waits for what is under way', async () => {
    let now = 0;
    const work = async (image: number) => {
      now++;
      await soon();
      now--;
      if (image === 1) throw new Error('no picture');
      return {};
    };
    const { state, images } = numbers(9);
    const seen: number[] = [];
    const run = async () => {
      for await (const { index } of streamed(images, work, { concurrency: 3 })) seen.push(index);
    };
    await expect(run()).rejects.toThrow('no picture');
    expect(seen).toEqual([0]);
    expect(now).toBe(0);
    expect(state.left).toBe(true);
  });

  it('goes on past failures where they are taken', async () => {
    const failures: string[] = [];
    const options: StreamOptions = {
      onError: (error, index) => failures.push(`${index}: ${(error as Error).message}`),
    };
    const work = async (image: string) => {
      if (image.length > 1) throw new Error(`bad ${image}`);
      return {};
    };
    const results = await all(streamed(['a', 'bb', 'c', 'dd'], work, options));
    expect(results.map(({ image, index }) => image + index)).toEqual(['a0', 'c2']);
    expect(failures).toEqual(['1: bad bb', '3: bad dd']);
  });

  it('takes promises of images; those that are rejected are failures of their images', async () => {
    let open = 0;
    let most = 0;
    const decode = async (name: string) => {
      most = Math.max(most, ++open);
      await soon();
      open--;
      if (name.startsWith('bad')) throw new Error(`${name} is no picture`);
      return { name };
    };
    function* pictures() {
      for (const name of ['a', 'bad1', 'b', 'bad2', 'c']) yield decode(name);
    }
    const failures: string[] = [];
    const options: StreamOptions = {
      onError: (error, index) => failures.push(`${index}: ${(error as Error).message}`),
      concurrency: 2,
    };
    const work = async ({ name }: { name: string }) => ({ length: name.length });
    const results = await all(streamed(pictures(), work, options));
    expect(results).toEqual(
      [0, 2, 4].map((index) => ({ index, image: { name: 'abc'[index / 2] }, length: 1 })),
    );
    expect(failures).toEqual(['1: bad1 is no picture', '3: bad2 is no picture']);
    expect(most).toBe(2);
    await expect(all(streamed(pictures(), work, {}))).rejects.toThrow('bad1 is no picture');
  });

  it('takes the failure of a promise whose turn comes late, or never', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    const failing = (value: number) =>
      soon().then(() => (value === 2 ? Promise.reject(new Error(`damaged ${value}`)) : value));
    function* pictures() {
      for (let value = 0; value < 4; value++) yield failing(value);
    }
    const failed: number[] = [];
    const onError = (_: unknown, index: number) => failed.push(index);
    for await (const result of streamed(pictures(), async () => ({}), { onError })) {
      expect(result.index).not.toBe(2);
      for (let pause = 0; pause < 4; pause++) await soon();
    }
    expect(failed).toEqual([2]);
    for await (const _ of streamed([0, 1, 2, 3].map(failing), async () => ({}), {})) break;
    for (let pause = 0; pause < 4; pause++) await soon();
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('ends with the signal’s reason while an image is waited for', async () => {
    const ending = new AbortController();
    const results = all(
      streamed([new Promise<number>(() => {})], async () => ({}), { signal: ending.signal }),
    );
    await soon();
    ending.abort(new Error('enough'));
    await expect(results).rejects.toThrow('enough');
  });

  it('gives the results before a source fails', async () => {
    async function* failing() {
      yield 1;
      yield 2;
      throw new Error('unplugged');
    }
    const seen: number[] = [];
    const run = async () => {
      for await (const { image } of streamed(failing(), async () => ({}), {})) seen.push(image);
    };
    await expect(run()).rejects.toThrow('unplugged');
    expect(seen).toEqual([1, 2]);
  });

  it('ends with the signal’s reason', async () => {
    const controller = new AbortController();
    const { state, images } = numbers(50);
    const run = async () => {
      for await (const { index } of streamed(images, async () => ({}), {
        signal: controller.signal,
      })) {
        if (index === 3) controller.abort(new Error('stopped'));
      }
    };
    await expect(run()).rejects.toThrow('stopped');
    expect(state.asked).toBeLessThan(8);
    expect(state.left).toBe(true);
  });

  it('takes nothing and refuses a concurrency of 0', async () => {
    expect(await all(streamed([], async () => ({}), {}))).toEqual([]);
    await expect(all(streamed([1], async () => ({}), { concurrency: 0 }))).rejects.toThrow(
      /concurrency is 0/,
    );
  });
});

describe('turns', () => {
  it('keep the order, and overlap only calls that allow it', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const call = (name: string, letsGo: boolean) =>
      turns.take(async (next) => {
        log.push(`${name} begins`);
        if (letsGo) next();
        await soon();
        log.push(`${name} ends`);
      });
    await Promise.all([call('a', false), call('b', true), call('c', false)]);
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'c begins', 'b ends', 'c ends']);
  });

  it('are not held up by a failure, and know when none is under way', async () => {
    const turns = new Turns();
    const log: string[] = [];
    turns.whenIdle(() => log.push('at once'));
    const failed = turns.take(() => Promise.reject(new Error('broken')));
    const done = turns.take(async () => 'done');
    turns.whenIdle(() => log.push('later'));
    expect(log).toEqual(['at once']);
    await expect(failed).rejects.toThrow('broken');
    expect(await done).toBe('done');
    expect(log).toEqual(['at once', 'later']);
  });

  it('reject an aborted call at once and finish its work', async () => {
    const turns = new Turns();
    const controller = new AbortController();
    let finished = false;
    const call = turns.take(async () => {
      await soon();
      finished = true;
    }, controller.signal);
    controller.abort(new Error('too slow'));
    await expect(call).rejects.toThrow('too slow');
    expect(finished).toBe(false);
    await turns.take(async () => {});
    expect(finished).toBe(true);
  });
});
