// Runs image files through the model, a few at a time.
import { PanppError } from '../errors.js';
import { decodeImage } from '../images/decode.js';
import type { PixelImage } from '../images/image.js';
import type { Detection, Spotting } from '../model/options.js';
import { streamed } from '../model/stream.js';
import { readBytes } from './files.js';
import { errorLine } from './report.js';

/** A model's `detect` or `spot`, with its settings. The path is the image's. */
export type FindText = (image: PixelImage, path: string) => Promise<Detection | Spotting>;

/** An image with the text in it. */
export interface ImageResult {
  readonly image: PixelImage;
  readonly found: Detection | Spotting;
}

/** The outcome for an image file: the text in it, or one line that says why it failed. */
export type Outcome = { readonly result: ImageResult } | { readonly error: string };

/** Images in memory at a time: while the GPU works on one, the next ones are decoded. */
const imagesAtOnce = 3;

/**
 * Finds the text in image files, one outcome each in their order.
 * @throws PanppError `device-lost`, or `adapter` if no device can be opened in its place: nothing
 * more can be done
 */
export function processFiles<F extends { readonly path: string }>(
  files: Iterable<F>,
  findText: FindText,
): AsyncIterable<Outcome & { readonly image: F }> {
  return streamed(files, ({ path }) => processFile(path, findText), { concurrency: imagesAtOnce });
}

/** Whether an error is of the device, not of an image. */
function isWithoutDevice(error: unknown): error is PanppError {
  return error instanceof PanppError && ['device-lost', 'adapter'].includes(error.code);
}

async function processFile(path: string, findText: FindText): Promise<Outcome> {
  let image: PixelImage | undefined;
  try {
    image = await decodeImage(await readBytes(path), path);
    return { result: { image, found: await findText(image, path) } };
  } catch (error) {
    if (isWithoutDevice(error)) throw error;
    // The model's messages do not name the file.
    const isModels = image !== undefined && error instanceof PanppError;
    return { error: isModels ? `${path}: ${error.message}` : errorLine(error) };
  }
}
