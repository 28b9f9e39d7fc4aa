// Resize and normalisation of an 8-bit image (shaders/resize_normalize.wgsl): from RGBA bytes to the network's input.
import shader from '../../shaders/resize_normalize.wgsl';
import { type Kernel, type Slot, gridOf, read, write } from '../gpu/kernel.js';
import { type FeatureMap, featureMap, lanesPerGroup } from './feature-map.js';

/** Bytes of one tap in the tables: two indices and two weights of 32 bits. */
const tapBytes = 16;

export interface ResizePlan {
  /** RGBA bytes of `sourceRows` rows, `sourceWidth` wide. */
  readonly pixels: Slot;
  /** A tap for every output column, and for every output row; rows count within the rows of `pixels`. */
  readonly columnTaps: Slot;
  readonly rowTaps: Slot;
  /** Normalised image: red, green, blue, 0. */
  readonly output: FeatureMap;
  readonly kernels: readonly Kernel[];
}

/** Plans the resize of `sourceRows` × `sourceWidth` pixels to `height` × `width`, and the normalisation. */
export function planResize(sourceRows: number, sourceWidth: number, height: number, width: number): ResizePlan {
  const pixels: Slot = { label: 'image.pixels', bytes: sourceRows * sourceWidth * 4 };
  const columnTaps: Slot = { label: 'image.columnTaps', bytes: width * tapBytes };
  const rowTaps: Slot = { label: 'image.rowTaps', bytes: height * tapBytes };
  const output = featureMap('image', height, width, 4);
  const kernel: Kernel = {
    label: 'image.resize',
    code: shader,
    bindings: [read(pixels), read(columnTaps), read(rowTaps), write(output.slot)],
    uniforms: [sourceWidth, height, width],
    workgroups: gridOf(Math.ceil((height * width) / lanesPerGroup)),
  };
  return { pixels, columnTaps, rowTaps, output, kernels: [kernel] };
}
