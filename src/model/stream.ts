// Processes a stream of images (files, frames, requests) with bounded memory: no image is taken
// while `concurrency` images are in progress or have results that are not yet consumed.
import { checkInteger } from '../options.js';
import { abortable } from './turns.js';

/** How a stream of images is processed. */
export interface StreamOptions {
  /** Maximum number of images taken whose results are not yet consumed; default: 2. */
  readonly concurrency?: number;
  /** Ends the stream with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called with an image's error, in the order of the images; the stream then continues. Without it
   * the stream ends with the first error.
   */
  readonly onError?: (error: unknown, index: number) => void;
}

/** A result with its image. */
export type Streamed<R, S> = R & {
  /** The original image object, so that its memory can be released. */
  readonly image: S;
  /** Index of the image, from 0. */
  readonly index: number;
};

/**
 * What the stream waits for: the next image, the end of the images, or the outcome of the oldest
 * image in progress.
 */
type Event<S, R> =
  | { readonly kind: 'image'; readonly image: S }
  | { readonly kind: 'end'; readonly error?: unknown }
  | { readonly kind: 'result'; readonly result: R }
  | { readonly kind: 'failure'; readonly error: unknown };

/**
 * Processes images and yields the results in the order of the images, each as soon as it and all
 * before it are ready.
 * @param keep returns a safe copy of an image, because the source may change the original when it
 * produces the next one
 */
export async function* streamed<S, R extends object, K = S>(
  images: AsyncIterable<S> | Iterable<S>,
  work: (image: S | K) => Promise<R>,
  { concurrency = 2, signal, onError }: StreamOptions,
  keep?: (image: S) => K,
): AsyncGenerator<Streamed<R, S>, void, undefined> {
  checkInteger('concurrency', concurrency, 1);
  // No copy needed: with concurrency 1 the source continues only after the image is done, and an
  // array already holds all its images.
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
      // A ready image goes first, so that the GPU has work while the consumer handles a result.
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
    // With a request pending, the source may never answer: don't wait for it.
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
