// Images that come one after another - files, frames, requests - with bounded memory: no more of
// them are taken in than are worked on, and none while the consumer of the results is behind.
import { PanppError } from '../errors.js';
import { abortable } from './turns.js';

/** How a stream of images is worked on. */
export interface StreamOptions {
  /** Images that are taken in and whose results are not handed out, at most; 2 unless given. */
  readonly concurrency?: number;
  /** Ends the stream with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called with what an image failed with, in the images' order, and the stream goes on; without
   * this the stream ends with that error.
   */
  readonly onError?: (error: unknown, index: number) => void;
}

/** A result with the image it belongs to. */
export type Streamed<R, S> = R & {
  /** The image as it was given, so that what holds memory can be closed. */
  readonly image: S;
  /** Number of the image, from 0. */
  readonly index: number;
};

/**
 * What the stream waits for: the next image, the end of the images, or the outcome of the first
 * image under way.
 */
type Event<S, R> =
  | { readonly kind: 'image'; readonly image: S }
  | { readonly kind: 'end'; readonly error?: unknown }
  | { readonly kind: 'result'; readonly result: R }
  | { readonly kind: 'failure'; readonly error: unknown };

/**
 * Works on images in order: results come in the order of the images, each as soon as it and those
 * before it are there.
 * @param keep gives what is worked on while the source goes on to its next image, and may change
 * this one
 */
export async function* streamed<S, R extends object, K = S>(
  images: AsyncIterable<S> | Iterable<S>,
  work: (image: S | K) => Promise<R>,
  { concurrency = 2, signal, onError }: StreamOptions,
  keep?: (image: S) => K,
): AsyncGenerator<Streamed<R, S>, void, undefined> {
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new PanppError(
      'argument',
      `concurrency is ${concurrency}; it must be a whole number from 1 on`,
    );
  }
  // With one at a time the source goes on when that is done; an array's images are there before.
  const taken: (image: S) => S | K =
    keep && concurrency > 1 && !Array.isArray(images) ? keep : (image: S) => image;
  const source =
    Symbol.asyncIterator in images ? images[Symbol.asyncIterator]() : images[Symbol.iterator]();
  const underWay: { image: S; outcome: Promise<Event<S, R>> }[] = [];
  let asked: Promise<Event<S, R>> | undefined;
  let end: Event<S, R> | undefined;
  let index = 0;
  try {
    while (!end || underWay.length > 0) {
      if (!end && underWay.length < concurrency) asked ??= nextOf(source);
      // An image that is there goes first, so that the GPU has work while a result is looked at.
      const events = [asked, underWay.at(0)?.outcome].filter((event) => event !== undefined);
      const event = await abortable(Promise.race(events), signal);
      signal?.throwIfAborted();
      if (event.kind === 'image') {
        asked = undefined;
        underWay.push({ image: event.image, outcome: outcomeOf(work(taken(event.image))) });
        continue;
      }
      if (event.kind === 'end') {
        asked = undefined;
        end = event;
        continue;
      }
      const { image } = underWay.shift()!;
      if (event.kind === 'result') yield { ...event.result, image, index };
      else if (onError) onError(event.error, index);
      else throw event.error;
      index++;
    }
    if (end.kind === 'end' && 'error' in end) throw end.error;
  } finally {
    await Promise.all(underWay.map(({ outcome }) => outcome));
    const left = end ? undefined : source.return?.();
    // Images that never come are not waited for.
    if (!asked) await left;
  }
}

async function nextOf<S>(source: AsyncIterator<S> | Iterator<S>): Promise<Event<S, never>> {
  try {
    const next = await source.next();
    return next.done ? { kind: 'end' } : { kind: 'image', image: next.value };
  } catch (error) {
    return { kind: 'end', error };
  }
}

function outcomeOf<R>(result: Promise<R>): Promise<Event<never, R>> {
  return result.then(
    (value) => ({ kind: 'result', result: value }),
    (error: unknown) => ({ kind: 'failure', error }),
  );
}
