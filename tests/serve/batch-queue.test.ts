import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BatchQueue, type Done, type Work } from '../../src/serve/batch-queue.js';

/** Work whose batches are recorded, and end when the test says so. */
function recorded(most = 8) {
  const batches: { inputs: readonly string[]; signal: AbortSignal; end: () => void }[] = [];
  const work = (key = 'a'): Work<string, string> => ({
    key,
    most,
    run: (inputs, signal) => {
      let end!: () => void;
      const promise = new Promise<void>((resolve) => (end = resolve));
      batches.push({ inputs, signal, end });
      return inputs.map(async (input) => {
        await promise;
        if (input.startsWith('bad')) throw new Error(input);
        return input.toUpperCase();
      });
    },
  });
  return { batches, work, inputs: () => batches.map(({ inputs }) => inputs.join('')) };
}
const { signal: never } = new AbortController();
setMaxListeners(0, never);
const result = async (done: Promise<Done<string>>) => (await done).result;

/** Milliseconds: more than adding some inputs takes on a busy machine. */
const patience = 10;
/** Until all timers of a queue have run. */
const soon = () => delay(2 * patience);

describe('a queue', () => {
  it('does inputs of one kind that wait together in one batch', async () => {
    const queue = new BatchQueue<string, string>(1, patience);
    const { batches, work, inputs } = recorded();
    const done = ['x', 'y'].map((input) => queue.add(work(), input, never));
    expect(queue.length).toBe(2);
    await soon();
    expect({ inputs: inputs(), waiting: queue.length }).toEqual({ inputs: ['xy'], waiting: 0 });
    batches[0].end();
    expect(await Promise.all(done)).toEqual([
      { result: 'X', together: 2, waited: expect.any(Number) },
      { result: 'Y', together: 2, waited: expect.any(Number) },
    ]);
    expect((await done[0]).waited).toBeGreaterThan(3);
  });

  it('does not mix kinds, and does the oldest first', async () => {
    const queue = new BatchQueue<string, string>(1, patience);
    const { batches, work, inputs } = recorded();
    for (const [key, input] of ['a1', 'b2', 'a3', 'b4']) void queue.add(work(key), input, never);
    await soon();
    batches[0].end();
    await soon();
    expect(inputs()).toEqual(['13', '24']);
  });

  it('does as many batches at once as it is told', async () => {
    const queue = new BatchQueue<string, string>(2, 0);
    const { batches, work, inputs } = recorded(1);
    for (const input of 'abcd') void queue.add(work(), input, never);
    expect(inputs()).toEqual(['a', 'b']);
    batches[1].end();
    await soon();
    expect(inputs()).toEqual(['a', 'b', 'c']);
  });

  it('does a full batch at once, and has sizes that are powers of two', async () => {
    const queue = new BatchQueue<string, string>(4, 60_000);
    const { work, inputs } = recorded(4);
    for (const input of 'abc') void queue.add(work(), input, never);
    expect(inputs()).toEqual([]);
    void queue.add(work(), 'd', never);
    expect(inputs()).toEqual(['abcd']);

    const impatient = new BatchQueue<string, string>(4, 5);
    const other = recorded(7);
    for (const input of 'abcdefg') void impatient.add(other.work(), input, never);
    await soon();
    expect(other.inputs()).toEqual(['abcd', 'ef', 'g']);
  });

  it('waits for others only while some are on their way', async () => {
    let announced = 1;
    const queue = new BatchQueue<string, string>(4, 60_000, () => announced);
    const { batches, work, inputs } = recorded(2);
    void queue.add(work(), 'a', never);
    expect(inputs()).toEqual(['a']);
    announced = 3;
    void queue.add(work(), 'b', never);
    expect(inputs()).toEqual(['a']);
    void queue.add(work(), 'c', never);
    expect(inputs()).toEqual(['a', 'bc']);
    for (const { end } of batches) end();
    await soon();
    // One that was given up is not on its way, though its work may go on.
    announced = 1;
    const controller = new AbortController();
    const given = queue.add(work(), 'd', controller.signal);
    controller.abort(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    announced = 2;
    void queue.add(work(), 'e', never);
    expect(inputs()).toEqual(['a', 'bc', 'd']);
  });

  it('gives each input of a batch its own outcome', async () => {
    const queue = new BatchQueue<string, string>(1, patience);
    const { batches, work } = recorded();
    const done = ['x', 'bad', 'y', 'z'].map((input) => result(queue.add(work(), input, never)));
    await soon();
    batches[0].end();
    expect((await Promise.allSettled(done)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
  });
});

describe('an input that is given up', () => {
  it('leaves the queue at once if it waits', async () => {
    const queue = new BatchQueue<string, string>(1, 0);
    const { batches, work, inputs } = recorded(1);
    const controller = new AbortController();
    void queue.add(work(), 'x', never);
    const waiting = queue.add(work(), 'y', controller.signal);
    expect(queue.length).toBe(1);
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    expect(queue.length).toBe(0);
    batches[0].end();
    await soon();
    expect(inputs()).toEqual(['x']);
  });

  it('does not disturb the others of its batch; only the last one ends the work', async () => {
    const queue = new BatchQueue<string, string>(1, patience);
    const { batches, work } = recorded();
    const controllers = [new AbortController(), new AbortController()];
    const done = controllers.map(({ signal }, index) => queue.add(work(), `${index}`, signal));
    await soon();
    const [{ signal, end }] = batches;
    controllers[0].abort(new Error('gone'));
    await expect(done[0]).rejects.toThrow('gone');
    expect(signal.aborted).toBe(false);
    end();
    expect(await result(done[1])).toBe('1');
    controllers[1].abort();
    expect(signal.aborted).toBe(false);

    const later = controllers.map(() => new AbortController());
    const lost = later.map(({ signal }) => queue.add(work(), 'z', signal));
    await soon();
    for (const controller of later) controller.abort(new Error('all gone'));
    for (const each of lost) await expect(each).rejects.toThrow('all gone');
    expect(batches[1].signal.reason).toEqual(new Error('all gone'));
  });

  it('before it comes is not taken', () => {
    const queue = new BatchQueue<string, string>(1, patience);
    const { work } = recorded();
    expect(() => queue.add(work(), 'x', AbortSignal.abort(new Error('gone')))).toThrow('gone');
    expect(queue.length).toBe(0);
  });

  it('keeps its place on the GPU until the work has really ended', async () => {
    const queue = new BatchQueue<string, string>(1, 0);
    const { batches, work, inputs } = recorded(1);
    const controller = new AbortController();
    const given = queue.add(work(), 'x', controller.signal);
    void queue.add(work(), 'y', never);
    controller.abort(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    await soon();
    expect(inputs()).toEqual(['x']);
    batches[0].end();
    await soon();
    expect(inputs()).toEqual(['x', 'y']);
  });
});

it('drops everything when it is told to', async () => {
  const queue = new BatchQueue<string, string>(1, 0);
  const { batches, work } = recorded(1);
  const done = ['x', 'y'].map((input) => queue.add(work(), input, never));
  queue.dropAll(new Error('the end'));
  for (const each of done) await expect(each).rejects.toThrow('the end');
  expect({ waiting: queue.length, isAborted: batches[0].signal.aborted }).toEqual({
    waiting: 0,
    isAborted: true,
  });
});
