// Joins the results that shards of a run have found: each image once, in one order, none missing.
import { normalize, sep } from 'node:path';
import { PanppError, shortened } from '../../errors.js';
import { byName } from '../files.js';
import { listed, say } from '../report.js';

/** What a shard has found in an image. */
export interface PartResult<T> {
  /** The image's name, as this kind of result has it. */
  readonly image: string;
  readonly value: T;
  /** Whether the image could not be processed. */
  readonly failed: boolean;
}

/** The results of one shard. */
export interface Part<T> {
  /** Where they were read. */
  readonly path: string;
  readonly results: readonly PartResult<T>[];
}

/** The images that there must be results of. */
export interface Roster {
  /** Their names, in the run's order. */
  readonly names: readonly string[];
  /** Which of them a result of a part is of; undefined for none. */
  readonly placeOf: (image: string, part: string) => number | undefined;
}

/**
 * The results of all parts, one per image: in the roster's order, else in the order of names. Of
 * two that are the same, the first is taken, and one that failed gives way to one that did not.
 * @throws PanppError `file` that names an image with different results, without a result, or that
 * is not in the roster
 */
export function joined<T>(
  parts: readonly Part<T>[],
  isSame: (a: T, b: T) => boolean,
  roster?: Roster,
): readonly PartResult<T>[] {
  const taken = new Map<string | number, PartResult<T> & { readonly path: string }>();
  for (const { path, results } of parts) {
    for (const result of results) {
      const place = roster ? roster.placeOf(result.image, path) : result.image;
      if (place === undefined)
        throw new PanppError('file', `${path}: ${shortened(result.image)} is none of --images`);
      const one = { ...result, path };
      const other = taken.get(place);
      taken.set(place, other ? oneOf(other, one, isSame) : one);
    }
  }
  if (!roster) return [...taken.values()].sort((a, b) => byName(a.image, b.image));
  const missing = roster.names.filter((_, place) => !taken.has(place));
  if (missing.length > 0)
    throw new PanppError(
      'file',
      `${missing.length} of ${roster.names.length} images have no result: ${listed(missing)}; run their shards again`,
    );
  return roster.names.map((_, place) => taken.get(place)!);
}

function oneOf<T, R extends PartResult<T> & { readonly path: string }>(
  a: R,
  b: R,
  isSame: (a: T, b: T) => boolean,
): R {
  if (a.failed !== b.failed) {
    const [bad, good] = a.failed ? [a, b] : [b, a];
    say(
      `panpp: ${shortened(bad.image)} failed in ${bad.path}; its result in ${good.path} is taken`,
    );
    return good;
  }
  // Whatever the two errors say, the image failed.
  if (a.failed || isSame(a.value, b.value)) return a;
  const where = a.path === b.path ? `twice in ${a.path}` : `in ${a.path} and in ${b.path}`;
  throw new PanppError(
    'file',
    `${shortened(b.image)}: different results ${where}; join shards of one run, with the same weights and settings`,
  );
}

/**
 * A roster of images by their paths. A result's path may begin differently, for example where
 * another machine has mounted the folder: it is of the image whose path, or key, is the longest end
 * of it.
 */
export function rosterOfPaths(
  images: readonly { readonly path: string; readonly key: string }[],
): Roster {
  const places = new Map(images.map(({ path }, place) => [comparable(path), place]));
  const keys = new Map<string, number | undefined>();
  images.forEach(({ key }, place) => {
    const name = comparable(key);
    // A key of several images tells none.
    keys.set(name, keys.has(name) ? undefined : place);
  });
  for (const [key, place] of keys)
    if (place !== undefined && !places.has(key)) places.set(key, place);
  return {
    names: images.map(({ path }) => path),
    placeOf: (image) => {
      const parts = comparable(image).split('/');
      for (let from = 0; from < parts.length; from++) {
        const place = places.get(parts.slice(from).join('/'));
        if (place !== undefined) return place;
      }
      return undefined;
    },
  };
}

/** A path with `/`, without what only leads to where it begins. */
function comparable(path: string): string {
  return normalize(path)
    .replaceAll(sep, '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .join('/');
}

/** A roster of images by names, each of which may have several spellings. */
export function rosterOfNames(
  images: readonly { readonly name: string; readonly spellings: readonly string[] }[],
): Roster {
  const places = new Map<string, number>();
  images.forEach(({ spellings }, place) => {
    for (const spelling of spellings) if (!places.has(spelling)) places.set(spelling, place);
  });
  return { names: images.map(({ name }) => name), placeOf: (image) => places.get(image) };
}
