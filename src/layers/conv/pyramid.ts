// 3×3 convolution of a feature pyramid's levels, upsampled to the finest and concatenated, without
// storing that map: each coarser level is multiplied by the nine taps of its weights at its own
// size, then shifted and upsampled (shaders/tap_rows.wgsl, shaders/tap_columns.wgsl). The result is
// exact and takes about a third of the multiplications for four levels.
// Source: spec, Detection head ("a property worth using").
import columnsSource from '../../../shaders/tap_columns.wgsl';
import common from '../../../shaders/tap_common.wgsl';
import rowsSource from '../../../shaders/tap_rows.wgsl';
import { type Dispatch, dispatch } from '../../gpu/dispatch.js';
import { shaderOf } from '../../wgsl/assemble.js';
import { type PackedConv, packConv, planConv } from './conv.js';
import type { ConvChoices } from './method.js';
import type { ConvWeights } from './weights.js';
import {
  type FeatureMap,
  bindingOf,
  featureMap,
  groupsOf,
  imagesOf,
  rowsOf,
  vec4s,
} from '../feature-map.js';
import type { Packer } from '../pack.js';
import { valueBytes } from '../precision.js';

const rowsShader = shaderOf(rowsSource, common);
const columnsShader = shaderOf(columnsSource, common);

/** Four levels, finest first. */
export type Pyramid<T = FeatureMap> = readonly [T, T, T, T];

/**
 * Splits and packs a 3×3 conv on four concatenated levels: a 3×3 conv with the bias for the finest
 * level, and for each coarser one a 1×1 conv to nine times the channels, one set per tap.
 */
export function packPyramidConv(
  packer: Packer<ConvChoices>,
  label: string,
  conv: ConvWeights,
): Pyramid<PackedConv> {
  const { weight, outChannels } = conv;
  const levelChannels = conv.inChannels / 4;
  const outStride = conv.inChannels * 9;
  const finest = packConv(packer, `${label}.level1`, {
    ...conv,
    inChannels: levelChannels,
    outStride,
  });
  const shape = { outChannels: 9 * outChannels, inChannels: levelChannels, kernel: 1, stride: 1 };
  const weightOrder = packer.choices.weightOrder({ ...shape, precision: packer.precision });
  const taps = (level: number): PackedConv => ({
    ...finest,
    ...shape,
    method: 'direct',
    weightOrder,
    weights: packer.pack(`${label}.level${level}`, weight, {
      ...(weightOrder === 'input'
        ? { counts: [9, outChannels, levelChannels], strides: [1, outStride, 9] }
        : { counts: [levelChannels, 9, outChannels], strides: [9, 1, outStride] }),
      offset: (level - 1) * levelChannels * 9,
    }),
    bias: packer.bias(`${label}.level${level}`, new Float32Array(shape.outChannels)),
  });
  return [finest, taps(2), taps(3), taps(4)];
}

/** Rows of the finest level per row of the coarsest. */
const rowsToCoarsest = 8;

/**
 * Pixels of a row or a column that an invocation computes in tap_columns.wgsl and tap_rows.wgsl.
 */
const pixelsEach = 4;
const counts = { p: pixelsEach };

/**
 * Plans relu(conv3×3(concatenate(upsample(levels))) + bias) from the split weights. Each level is
 * half as high and wide as the next finer one; the finest one's sides are multiples of 8.
 * @param bandBytes maximum bytes of level 2's nine taps in a band of rows. Default: three quarters
 * of the device's, because the other levels' taps together are about a third as large
 */
export function planPyramidConv(
  label: string,
  levels: Pyramid,
  weights: Pyramid<PackedConv>,
  bandBytes = 0.75 * weights[0].bandBytes,
): { output: FeatureMap; dispatches: Dispatch[] } {
  const { images, height, width, precision } = levels[0];
  const columns = featureMap(
    `${label}.columns`,
    height,
    width,
    weights[0].outChannels,
    precision,
    images,
  );
  const dispatches: Dispatch[] = [];
  // The taps of all rows at once would be the network's largest maps, and their row sums the next
  // largest. So large maps are processed in bands, and small images in groups.
  const rowBytes = (levels[1].width * weights[1].outChannels * valueBytes[precision]) / 2;
  const bands = Math.ceil((height * rowBytes) / bandBytes);
  const band = Math.ceil(height / bands / rowsToCoarsest) * rowsToCoarsest;
  for (const [first, count] of groupsOf(levels[0], rowBytes, bandBytes)) {
    const own = levels.map((level) => imagesOf(level, first, count)) as unknown as Pyramid;
    for (let row = 0; row < height; row += band) {
      const rows = rowsOf(imagesOf(columns, first, count), row, Math.min(band, height - row));
      dispatches.push(...planTaps(label, own, weights, rows, row));
    }
  }
  const finest = planConv(label, levels[0], weights[0], { relu: true, residual: columns });
  return { output: finest.output, dispatches: [...dispatches, ...finest.dispatches] };
}

/** Plans the coarser levels' contribution to a band of rows, from row `first` on. */
function planTaps(
  label: string,
  levels: Pyramid,
  weights: Pyramid<PackedConv>,
  output: FeatureMap,
  first: number,
): Dispatch[] {
  const dispatches: Dispatch[] = [];
  const { images, height, width, channels, precision } = output;
  const types = { input: precision, output: precision };
  const byRows = [1, 2, 3].map((index) => {
    const level = levels[index];
    const factor = levels[0].height / level.height;
    // An output row also reads one level row beyond its own on each side.
    const top = Math.max(0, first / factor - 1);
    const bottom = Math.min((first + height) / factor + 1, level.height);
    const taps = planConv(
      `${label}.level${index + 1}.taps`,
      rowsOf(level, top, bottom - top),
      weights[index],
    );
    const rows = featureMap(
      `${label}.level${index + 1}.rows`,
      height,
      level.width,
      3 * channels,
      precision,
      images,
    );
    const summed = dispatch({
      label: rows.slot.label,
      shader: rowsShader({ types, counts }),
      constants: { CHANNELS4: vec4s(channels) },
      bindings: { input: bindingOf(taps.output), output: bindingOf(rows) },
      uniforms: {
        inHeight: level.height,
        outHeight: levels[0].height,
        width: level.width,
        firstTapRow: top,
        tapRows: bottom - top,
        firstRow: first,
        rows: height,
      },
      invocations: [Math.ceil(height / pixelsEach) * rows.width * vec4s(rows.channels), images],
    });
    dispatches.push(...taps.dispatches, summed);
    return rows;
  });
  const [level2, level3, level4] = byRows.map(bindingOf);
  const [width2, width3, width4] = byRows.map((map) => map.width);
  const summed = dispatch({
    label: output.slot.label,
    shader: columnsShader({ types, counts }),
    constants: { CHANNELS4: vec4s(channels) },
    bindings: { level2, level3, level4, output: bindingOf(output) },
    uniforms: { rows: images * height, width, width2, width3, width4 },
    invocations: [((images * height * width) / pixelsEach) * vec4s(channels)],
  });
  return [...dispatches, summed];
}
