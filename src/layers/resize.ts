// Resizes and normalises 8-bit images of one size (shaders/resize_normalize.wgsl): from bytes to
// the network's input.
import pixelsOfImages from '../../shaders/pixels.wgsl';
import source from '../../shaders/resize_normalize.wgsl';
import { type Dispatch, type Slot, dispatch } from '../gpu/dispatch.js';
import { shaderOf } from '../wgsl/assemble.js';
import { type FeatureMap, bindingOf, featureMap, imagesOf } from './feature-map.js';

const shader = shaderOf(pixelsOfImages, source);

export interface ResizePlan {
  /** For each image, the bytes of the uploaded rows and columns. */
  readonly pixels: readonly Slot[];
  /**
   * One tap per output column; `rowTaps` has one per output row. Source indices refer to `pixels`.
   */
  readonly columnTaps: Slot;
  readonly rowTaps: Slot;
  /** Normalised images: red, green, blue, 0. */
  readonly output: FeatureMap;
  readonly dispatches: readonly Dispatch[];
}

/** Size of the uploaded pixels; `channels` is bytes per pixel. */
export interface ResizeSource {
  readonly rows: number;
  readonly columns: number;
  readonly channels: 3 | 4;
}

/** Plans the resize of one or several images to `height` × `width`, and the normalisation. */
export function planResize(
  { rows, columns, channels }: ResizeSource,
  height: number,
  width: number,
  images = 1,
): ResizePlan {
  const bytes = Math.ceil((rows * columns * channels) / 4) * 4;
  const pixels = Array.from({ length: images }, (): Slot => ({ label: 'image.pixels', bytes }));
  const { size: tapBytes } = shader().layout('Tap');
  const columnTaps: Slot = { label: 'image.columnTaps', bytes: width * tapBytes };
  const rowTaps: Slot = { label: 'image.rowTaps', bytes: height * tapBytes };
  const output = featureMap('image', height, width, 4, 'f32', images);
  const dispatches = pixels.map((slot, index) =>
    dispatch({
      label: 'image.resize',
      shader: shader(),
      constants: { CHANNELS: channels },
      bindings: {
        pixels: slot,
        columnTaps,
        rowTaps,
        output: bindingOf(imagesOf(output, index, 1)),
      },
      uniforms: { sourceWidth: columns, height, width },
      invocations: [height * width],
    }),
  );
  return { pixels, columnTaps, rowTaps, output, dispatches };
}
