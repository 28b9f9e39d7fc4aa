// The COCO-Text files of shards, joined into the one that a whole run would have written: images
// and annotations are numbered again.
import { PanppError, shortened } from '../../errors.js';
import { jsonOf } from '../json.js';
import type { Part, PartResult } from './join.js';

type Fields = Readonly<Record<string, unknown>>;

/** An image with its annotations, as the file has them. */
interface CocoImage {
  readonly image: Fields;
  readonly annotations: readonly Fields[];
}

export interface CocoPart extends Part<CocoImage> {
  /** What is said about the whole file. */
  readonly header: { readonly cats: unknown; readonly info: unknown };
}

/** Whether a JSON document is in COCO-Text format. */
export function isCocoText(document: unknown): document is Fields {
  const { imgs, anns, imgToAnns } = fieldsOf(document) ?? {};
  return [imgs, anns, imgToAnns].every((one) => fieldsOf(one) !== undefined);
}

/** @throws PanppError `file` for images or annotations that are missing or incomplete */
export function readCocoText(document: Fields, path: string): CocoPart {
  const [imgs, anns, imgToAnns] = [document.imgs, document.anns, document.imgToAnns].map(
    (one) => new Map(Object.entries(one as object)),
  ) as Map<string, unknown>[];
  const results = [...imgs].map(([id, value]): PartResult<CocoImage> => {
    const image = fieldsOf(value);
    const name = image?.file_name;
    if (!image || typeof name !== 'string')
      throw new PanppError('file', `${path}: image ${shortened(id)} has no file_name`);
    const ids: unknown = imgToAnns.get(id);
    if (!Array.isArray(ids))
      throw new PanppError('file', `${path}: imgToAnns has no list for image ${shortened(id)}`);
    const annotations = ids.map((one: unknown) => {
      const annotation = typeof one === 'number' ? fieldsOf(anns.get(String(one))) : undefined;
      if (!annotation)
        throw new PanppError(
          'file',
          `${path}: image ${shortened(id)} has no annotation ${shortened(jsonOf(one))}`,
        );
      return annotation;
    });
    return { image: name, value: { image, annotations }, failed: false };
  });
  return { path, results, header: { cats: document.cats, info: document.info } };
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined;
}

/** Whether an image has the same annotations, whatever their numbers and the image's folder. */
export function isSameImage(a: CocoImage, b: CocoImage): boolean {
  return comparable(a) === comparable(b);
}

function comparable({ image, annotations }: CocoImage): string {
  return jsonOf([
    { ...image, id: 0, file_name: '' },
    ...annotations.map((annotation) => ({ ...annotation, id: 0, image_id: 0 })),
  ]);
}

/** @throws PanppError `file` if parts are of different versions */
export function headerOf(parts: readonly CocoPart[]): CocoPart['header'] {
  const [{ header, path }] = parts;
  const other = parts.find((part) => jsonOf(part.header) !== jsonOf(header));
  if (other)
    throw new PanppError(
      'file',
      `${path} and ${other.path} have different info; join shards of one run, made by one version of panpp`,
    );
  return header;
}

/** The file of a whole run: images and annotations numbered from 1. */
export function cocoTextOf(
  results: readonly PartResult<CocoImage>[],
  { cats, info }: CocoPart['header'],
): string {
  const anns: Record<number, Fields> = {};
  const imgs: Record<number, Fields> = {};
  const imgToAnns: Record<number, readonly number[]> = {};
  let count = 0;
  results.forEach(({ value: { image, annotations } }, index) => {
    const imageId = index + 1;
    imgs[imageId] = { ...image, id: imageId };
    imgToAnns[imageId] = annotations.map((annotation) => {
      const id = ++count;
      anns[id] = { ...annotation, image_id: imageId, id };
      return id;
    });
  });
  return `${jsonOf({ cats, anns, imgs, imgToAnns, info })}\n`;
}
