// Resize and normalisation of 8-bit images of one size (shaders/resize_normalize.wgsl): from bytes to the network's input.
import source from '../../shaders/resize_normalize.wgsl';
import { type Kernel, type Slot, gridOf, read } from '../gpu/kernel.js';
import { shaderOf } from '../wgsl/assemble.js';
import { type FeatureMap, featureMap, imagesOf, lanesPerGroup, writeMap } from './feature-map.js';

const shader = shaderOf(source);

/** Bytes of one tap in the tables: two indices and two weights of 32 bits. */
const tapBytes = 16;

export interface ResizePlan {
  /** For each image, bytes of `sourceRows` rows, `sourceWidth` wide. */
  readonly pixels: readonly Slot[];
  /** A tap for every output column, and for every output row; rows count within the rows of `pixels`. */
  readonly columnTaps: Slot;
  readonly rowTaps: Slot;
  /** Normalised images: red, green, blue, 0. */
  readonly output: FeatureMap;
  readonly kernels: readonly Kernel[];
}

/** Pixels that go up: their rows and columns, and bytes of each. */
export interface ResizeSource {
  readonly rows: number;
  readonly columns: number;
  readonly channels: 3 | 4;
}

/** Plans the resize of an image, or several, to `height` × `width`, and the normalisation. */
export function planResize({ rows, columns, channels }: ResizeSource, height: number, width: number, images = 1): ResizePlan {
  const bytes = Math.ceil((rows * columns * channels) / 4) * 4;
  const pixels = Array.from({ length: images }, (): Slot => ({ label: 'image.pixels', bytes }));
  const columnTaps: Slot = { label: 'image.columnTaps', bytes: width * tapBytes };
  const rowTaps: Slot = { label: 'image.rowTaps', bytes: height * tapBytes };
  const output = featureMap('image', height, width, 4, 'f32', images);
  const kernels = pixels.map(
    (slot, index): Kernel => ({
      label: 'image.resize',
      shader: shader(),
      constants: { CHANNELS: channels },
      bindings: [read(slot), read(columnTaps), read(rowTaps), writeMap(imagesOf(output, index, 1))],
      uniforms: [columns, height, width],
      workgroups: gridOf(Math.ceil((height * width) / lanesPerGroup)),
    }),
  );
  return { pixels, columnTaps, rowTaps, output, kernels };
}
