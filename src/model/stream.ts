// Processes a stream of images (files, frames, requests) with bounded memory: no image is taken
// while `concurrency` images are in progress or have results that are not yet consumed.
import { PanppError } from '../errors.js';
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

/**
 * Images, or promises of them. A generator with `function*` may yield promises; `async function*`
 * waits for each before it continues, and ends with the first that is rejected.
 */
export type ImageStream<S> = AsyncIterable<S | PromiseLike<S>> | Iterable<S | PromiseLike<S>>;

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
  | { readonly kind: 'image'; readonly image: S | PromiseLike<S> }
  | { readonly kind: 'end'; readonly error?: unknown }
  | { readonly kind: 'result'; readonly image: S; readonly result: R }
  | { readonly kind: 'failure'; readonly error: unknown };

/**
 * Processes images and yields the results in the order of the images, each as soon as it and all
 * before it are ready. An image may be a promise, such as one that is being decoded.
 * @param keep returns a safe copy of an image, because the source may change the original when it
 * produces the next one
 */
export async function* streamed<S, R extends object, K = S>(
  images: ImageStream<S>,
  work: (image: S | K) => Promise<R>,
  { concurrency = 2, signal, onError }: StreamOptions,
  keep?: (image: S) => K,
): AsyncGenerator<Streamed<R, S>, void, undefined> {
  checkInteger('concurrency', concurrency, 1);
  const given = Object(images) as object;
  if (!(Symbol.iterator in given) && !(Symbol.asyncIterator in given))
    throw new PanppError('argument', 'images must be iterable; for one image use detect or spot');
  // No copy needed: with concurrency 1 the source continues only after the image is done, and an
  // array already holds all its images.
  const taken: (image: S) => S | K =
    keep && concurrency > 1 && !Array.isArray(images) ? keep : (image: S) => image;
  const source =
    Symbol.asyncIterator in images ? images[Symbol.asyncIterator]() : images[Symbol.iterator]();
  if (Array.isArray(images)) images.forEach(expectFailure);
  // Pixels that are there already are copied before the source continues.
  const processed = async (given: S | PromiseLike<S>) => {
    const image = isPromise(given) ? await abortable(Promise.resolve(given), signal) : given;
    return { image, result: await work(taken(image)) };
  };
  const underWay: Promise<Event<S, R>>[] = [];
  let asked: Promise<Event<S, R>> | undefined;
  let end: Event<S, R> | undefined;
  let index = 0;
  try {
    while (!end || underWay.length > 0) {
      if (!end && underWay.length < concurrency) asked ??= nextOf(source);
      // A ready image goes first, so that the GPU has work while the consumer handles a result.
      const events = [asked, underWay.at(0)].filter((event) => event !== undefined);
      const event = await abortable(Promise.race(events), signal);
      signal?.throwIfAborted();
      if (event.kind === 'image') {
        asked = undefined;
        underWay.push(outcomeOf(processed(event.image)));
        continue;
      }
      if (event.kind === 'end') {
        asked = undefined;
        end = event;
        continue;
      }
      void underWay.shift();
      if (event.kind === 'result') yield { ...event.result, image: event.image, index };
      else if (onError) onError(event.error, index);
      else throw event.error;
      index++;
    }
    if (end.kind === 'end' && 'error' in end) throw end.error;
  } finally {
    await Promise.all(underWay);
    const left = end ? undefined : source.return?.();
    // With a request pending, the source may never answer: don't wait for it.
    if (!asked) await left;
    else expectFailure(left);
  }
}

type Source<S> = AsyncIterator<S | PromiseLike<S>> | Iterator<S | PromiseLike<S>>;

async function nextOf<S>(source: Source<S>): Promise<Event<S, never>> {
  try {
    const next = await source.next();
    if (next.done) return { kind: 'end' };
    expectFailure(next.value);
    return { kind: 'image', image: next.value };
  } catch (error) {
    return { kind: 'end', error };
  }
}

function outcomeOf<S, R>(done: Promise<{ image: S; result: R }>): Promise<Event<S, R>> {
  return done.then(
    ({ image, result }) => ({ kind: 'result', image, result }),
    (error: unknown) => ({ kind: 'failure', error }),
  );
}

/**
 * A promise may be rejected before its turn comes, or never have one: Node would end the process.
 */
function expectFailure(image: unknown): void {
  if (isPromise(image)) image.then(undefined, () => {});
}

function isPromise<S>(image: S | PromiseLike<S>): image is PromiseLike<S> {
  return typeof (image as PromiseLike<S> | undefined)?.then === 'function';
}
