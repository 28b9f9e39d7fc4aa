// The forms of a result, chosen by the request's Accept header.
import Negotiator from 'negotiator';
import { formatCocoText } from '../formats/coco-text.js';
import { formatHocr } from '../formats/hocr.js';
import type { FormatRegion, ImageReference } from '../formats/input.js';
import { formatLabelme } from '../formats/labelme.js';
import { jsonLine, resultLine } from '../formats/result-line.js';
import { formatSvg } from '../formats/svg.js';
import type { Detection, Spotting } from '../model/options.js';
import { ServiceError } from './errors.js';

/** Writes a result. */
type Format = (image: ImageReference, found: Detection | Spotting, version: string) => string;

const json: Format = ({ path }, found) => jsonLine(resultLine(path, found));

/** By media type; the first is the default. */
const formats: Readonly<Record<string, Format>> = {
  'application/json': json,
  'application/vnd.labelme+json': (image, { regions }) => formatLabelme(image, regions),
  'application/vnd.coco-text+json': (image, { regions }, version) =>
    formatCocoText([{ image, regions }], { version }),
  'image/svg+xml': (image, { regions }) => formatSvg(image, regions),
  'text/vnd.hocr+html': (image, { regions }: { regions: readonly FormatRegion[] }, version) =>
    formatHocr(image, regions, { system: `panpp ${version}` }),
};

/** Media types of results; hOCR needs text. */
export function mediaTypes(reads: boolean): string[] {
  return Object.keys(formats).filter((type) => reads || type !== 'text/vnd.hocr+html');
}

/** A form of results. */
export interface Representation {
  readonly mediaType: string;
  readonly format: Format;
}

/**
 * The form that a request asks for.
 * @throws ServiceError 406 if there is no such form
 */
export function representationFor(accept: string | undefined, reads: boolean): Representation {
  const available = mediaTypes(reads);
  const [mediaType] = new Negotiator({ headers: { accept } }).mediaTypes(available);
  if (mediaType === undefined)
    throw new ServiceError(
      406,
      'not-acceptable',
      `results are ${available.join(', ')}; the header Accept allows none of them`,
    );
  return { mediaType, format: formats[mediaType] };
}
