// 3×3 convolution of a feature pyramid's levels upsampled to the finest and concatenated, without making that map: each
// coarser level is multiplied by the nine taps of its weights at its own size, then shifted and upsampled (shaders/tap_rows.wgsl,
// shaders/tap_columns.wgsl). Exact, and about three times fewer multiplications for four levels.
// Source: spec, Detection head ("a property worth using").
import columnsShader from '../../shaders/tap_columns.wgsl';
import common from '../../shaders/tap_common.wgsl';
import rowsShader from '../../shaders/tap_rows.wgsl';
import { type Kernel, gridOf } from '../gpu/kernel.js';
import { type PackedConv, packConv, planConv } from './conv.js';
import type { ConvWeights } from './conv-weights.js';
import { type FeatureMap, featureMap, groupsOf, imagesOf, lanesPerGroup, readMap, rowsOf, vec4s, writeMap } from './feature-map.js';
import type { WeightPacker } from './pack.js';
import { valueBytes, withTypes } from './precision.js';

/** Four levels, finest first. */
export type Pyramid<T = FeatureMap> = readonly [T, T, T, T];

/**
 * Packs a 3×3 conv on four concatenated levels, taken apart: a 3×3 conv with the bias for the finest level, and for each coarser one a
 * 1×1 conv to nine times the channels, tap by tap.
 */
export function packPyramidConv(packer: WeightPacker, label: string, conv: ConvWeights): Pyramid<PackedConv> {
  const { weight, outChannels } = conv;
  const levelChannels = conv.inChannels / 4;
  const outStride = conv.inChannels * 9;
  const finest = packConv(packer, `${label}.level1`, { ...conv, inChannels: levelChannels, outStride });
  const shape = { outChannels: 9 * outChannels, inChannels: levelChannels, kernel: 1, stride: 1 };
  const taps = (level: number): PackedConv => ({
    ...finest,
    ...shape,
    method: 'direct',
    weights: packer.pack(`${label}.level${level}`, weight, {
      ...{ counts: [levelChannels, 9, outChannels], strides: [9, 1, outStride], offset: (level - 1) * levelChannels * 9 },
    }),
    bias: packer.bias(`${label}.level${level}`, new Float32Array(shape.outChannels)),
  });
  return [finest, taps(2), taps(3), taps(4)];
}

/** Pixels of a row or a column that an invocation computes in tap_columns.wgsl and tap_rows.wgsl. */
const pixelsEach = 4;

/**
 * Plans relu(conv3×3(concatenate(upsample(levels))) + bias) from the split weights. A level is half as high and wide as the finer one, the
 * finest one's sides are multiples of 8.
 * @param bandBytes what the nine taps of a band of rows may take
 */
export function planPyramidConv(
  label: string,
  levels: Pyramid,
  weights: Pyramid<PackedConv>,
  bandBytes = 16 * 2 ** 20,
): { output: FeatureMap; kernels: Kernel[] } {
  const kernels: Kernel[] = [];
  const { images, height, width, precision } = levels[0];
  const channels = weights[0].outChannels;
  const byRows = [1, 2, 3].map((index) => {
    const rows = featureMap(`${label}.level${index + 1}.rows`, height, levels[index].width, 3 * channels, precision, images);
    kernels.push(...planTapRows(`${label}.level${index + 1}`, levels[index], weights[index], rows, bandBytes));
    return rows;
  });
  const columns = featureMap(`${label}.columns`, height, width, channels, precision, images);
  kernels.push({
    label: columns.slot.label,
    code: withTypes(columnsShader + common, { input: precision, output: precision }),
    constants: { CHANNELS4: vec4s(channels) },
    bindings: [...byRows.map(readMap), writeMap(columns)],
    uniforms: [images * height, width, ...byRows.map((map) => map.width)],
    workgroups: gridOf(Math.ceil(((images * height * width) / pixelsEach) * vec4s(channels) / lanesPerGroup)),
  });
  const finest = planConv(label, levels[0], weights[0], { relu: true, residual: columns });
  return { output: finest.output, kernels: [...kernels, ...finest.kernels] };
}

// The taps of a level (nine times the channels) and their sums by rows (three times), in bands of the level's rows: the taps of all
// rows at once would be the network's largest map. Of several small images as many at once as make a band.
function planTapRows(label: string, level: FeatureMap, conv: PackedConv, output: FeatureMap, bandBytes: number): Kernel[] {
  const rowBytes = level.width * conv.outChannels * valueBytes[conv.precision];
  return groupsOf(level, rowBytes, bandBytes).flatMap(([first, count]) => {
    const band = Math.ceil(level.height / Math.ceil((level.height * rowBytes) / bandBytes));
    return planTapBands(label, imagesOf(level, first, count), conv, imagesOf(output, first, count), band);
  });
}

function planTapBands(label: string, level: FeatureMap, conv: PackedConv, output: FeatureMap, band: number): Kernel[] {
  const { precision } = level;
  const factor = output.height / level.height;
  const kernels: Kernel[] = [];
  for (let first = 0; first < level.height; first += band) {
    const end = Math.min(first + band, level.height);
    // An output row reads one level row beyond its own on either side.
    const top = Math.max(0, first - 1);
    const taps = planConv(`${label}.taps`, rowsOf(level, top, Math.min(end + 1, level.height) - top), conv);
    const rows = rowsOf(output, first * factor, (end - first) * factor);
    kernels.push(...taps.kernels, {
      label: output.slot.label,
      code: withTypes(rowsShader + common, { input: precision, output: precision }),
      constants: { CHANNELS4: vec4s(output.channels / 3) },
      bindings: [readMap(taps.output), writeMap(rows)],
      uniforms: [level.height, output.height, level.width, top, taps.output.height, first * factor, rows.height],
      workgroups: gridOf(Math.ceil((Math.ceil(rows.height / pixelsEach) * rows.width * vec4s(rows.channels)) / lanesPerGroup), rows.images),
    });
  }
  return kernels;
}
