// The detector as an ONNX model: normalised image in, the head's map out, in standard operators alone, so that any ONNX
// runtime runs it.
// Source: PAN++ paper, overall architecture; spec, Backbone to Detection head; operators as in github.com/onnx/onnx
// docs/Operators.md.
import { PanppError } from '../errors.js';
import { type ModelConfig, mapChannels } from '../network/config.js';
import { type ConvParameters, blockNames, convolutionsOf, type fpemUnits } from '../network/parameters.js';
import { type FoldedWeights, floats } from '../network/weights.js';
import type { WeightsFile } from '../network/weights-file.js';
import { type Attribute, type Dimension, OnnxGraph } from './onnx-graph.js';

export interface OnnxOptions {
  /** Sides of the image, multiples of 32. Left out, the model takes any, multiples or not. */
  readonly height?: number;
  readonly width?: number;
  /** Version of the operators, 13 to 21; 17 unless given. */
  readonly opset?: number;
}

const networkStride = 32;
const mapStride = 4;
const opsets = { first: 13, last: 21 } as const;

type Levels = readonly [string, string, string, string];

/**
 * Writes the detector of a weights file as an ONNX model. Input `image`: 1 × 3 × H × W, (rgb / 255 − mean) / std with
 * ImageNet's mean and standard deviation. Output `det`: 1 × 6 × ⌈H/4⌉ × ⌈W/4⌉ (text logit, kernel logit, instance vector).
 * Without a fixed size, the graph pads an image whose sides are no multiples of 32 with zeros at its right and bottom, and cuts the map.
 * A recognition head is left out.
 * @returns the bytes of a `.onnx` file
 * @throws PanppError `argument` for sides or an opset out of range
 */
export function exportOnnx(
  { config, tensors }: WeightsFile,
  { height, width, opset = 17 }: OnnxOptions = {},
): Uint8Array<ArrayBuffer> {
  const [rows, columns] = [sideOf('height', height), sideOf('width', width)];
  if (!(Number.isInteger(opset) && opset >= opsets.first && opset <= opsets.last)) {
    throw new PanppError('argument', `opset is ${opset}; it must be ${opsets.first} to ${opsets.last}`);
  }
  const graph = new OnnxGraph();
  const image = graph.input('image', [1, 3, rows.image, columns.image]);
  const writer = new DetectorWriter(graph, config, tensors);
  const det = height === undefined || width === undefined ? writer.writePadded(image) : writer.write(image);
  graph.output(det, [1, mapChannels, rows.map, columns.map]);
  return graph.finish('panpp detector', opset, description, { config: JSON.stringify(config) });
}

const description =
  'PAN++ text detector. image: RGB, (value / 255 - mean) / std with mean 0.485 0.456 0.406, std 0.229 0.224 0.225; ' +
  'without a fixed size, sides that are no multiples of 32 are padded with zeros at right and bottom. ' +
  'det: text logit, kernel logit, 4 of instance vector, at a quarter of the size, rounded up.';

function sideOf(name: string, side: number | undefined): { image: Dimension; map: Dimension } {
  if (side === undefined) return { image: name, map: `map_${name}` };
  if (!(Number.isInteger(side) && side > 0 && side % networkStride === 0)) {
    throw new PanppError('argument', `${name} is ${side}; it must be a multiple of ${networkStride}`);
  }
  return { image: side, map: side / mapStride };
}

class DetectorWriter {
  readonly #convolutions: ReadonlyMap<string, ConvParameters>;

  constructor(
    readonly graph: OnnxGraph,
    readonly config: ModelConfig,
    readonly tensors: FoldedWeights,
  ) {
    this.#convolutions = new Map(convolutionsOf(config).map((parameters) => [parameters.name, parameters]));
  }

  /** For an image of any size: padded up to multiples of 32, and its map cut to the image again. */
  writePadded(image: string): string {
    const { graph } = this;
    const whole = (name: string, ...values: number[]) => graph.constant(name, [values.length], BigInt64Array.from(values, BigInt));
    const shape = graph.node('Shape', 'image.shape', [image]);
    const size = graph.node('Slice', 'image.size', [shape, whole('image.size.from', 2), whole('image.size.to', 4)]);
    // Mod takes the divisor's sign, so this is what is missing to the next multiple.
    const missing = graph.node('Mod', 'image.missing', [graph.node('Neg', 'image.minus', [size]), whole('image.stride', networkStride)]);
    const pads = graph.node('Concat', 'image.pads', [whole('image.unpadded', 0, 0, 0, 0, 0, 0), missing], { axis: 0 });
    const map = this.write(graph.node('Pad', 'image.padded', [image, pads]), 'det.padded');
    const rounded = graph.node('Add', 'det.rounded', [size, whole('det.round', mapStride - 1)]);
    const end = graph.node('Div', 'det.size', [rounded, whole('det.stride', mapStride)]);
    return graph.node('Slice', 'det', [map, whole('det.from', 0, 0), end, whole('det.axes', 2, 3)]);
  }

  /** For an image whose sides are multiples of 32. @param output the map's name */
  write(image: string, output = 'det'): string {
    const [first, ...coarser] = this.#neck(this.#backbone(image));
    const enlarged = coarser.map((level, index) =>
      this.#upsample(`det_head.enlarged${index + 2}`, level, 2 ** (index + 1)),
    );
    const fused = this.graph.node('Concat', 'det_head.fused', [first, ...enlarged], { axis: 1 });
    const hidden = this.#relu(this.#conv('det_head.conv1', fused));
    return this.#conv('det_head.conv2', hidden, { output });
  }

  #backbone(image: string): Levels {
    let map = this.#relu(this.#conv('backbone.conv1', image));
    map = this.#relu(this.#conv('backbone.conv2', map));
    map = this.#relu(this.#conv('backbone.conv3', map));
    map = this.graph.node('MaxPool', 'backbone.maxpool', [map], window(3, 2));
    const outputs = this.config.backbone.blocks.map((count, index) => {
      for (let block = 0; block < count; block++) map = this.#residualBlock(map, index + 1, block);
      return map;
    });
    return outputs as unknown as Levels;
  }

  #residualBlock(input: string, layer: number, block: number): string {
    const { convs, shortcut } = blockNames(this.config.backbone, layer, block);
    const residual = shortcut ? this.#conv(shortcut, input) : input;
    const last = convs.length - 1;
    const branch = convs.reduce((map, name, index) => {
      const filtered = this.#conv(name, map);
      return index === last ? filtered : this.#relu(filtered);
    }, input);
    return this.#relu(this.#add(`backbone.layer${layer}.${block}.sum`, branch, residual));
  }

  #neck(features: Levels): Levels {
    const { fpems, fusion } = this.config.neck;
    let levels = eachLevel(features, (map, level) => this.#relu(this.#conv(`reduce_layer${level}.conv`, map)));
    let fused: Levels | undefined;
    for (let index = 1; index <= fpems; index++) {
      const fpem = `fpem${index}`;
      const refined = this.#fpem(fpem, levels);
      const [input, before] = [levels, fused];
      levels =
        fusion === 'pan'
          ? refined
          : eachLevel(refined, (map, level) => this.#add(`${fpem}.f${level}`, input[level - 1], map));
      fused =
        fusion === 'pan' && before
          ? eachLevel(levels, (map, level) => this.#add(`ffm${index}.f${level}`, before[level - 1], map))
          : levels;
    }
    return fused!;
  }

  // Up-scale enhancement, then down-scale enhancement.
  #fpem(fpem: string, [f1, f2, f3, f4]: Levels): Levels {
    const up3 = this.#fpemUnit(fpem, '3_1', f4, f3, 1);
    const up2 = this.#fpemUnit(fpem, '2_1', up3, f2, 1);
    const up1 = this.#fpemUnit(fpem, '1_1', up2, f1, 1);
    const down2 = this.#fpemUnit(fpem, '2_2', up2, up1, 2);
    const down3 = this.#fpemUnit(fpem, '3_2', up3, down2, 2);
    const down4 = this.#fpemUnit(fpem, '4_2', f4, down3, 2);
    return [up1, down2, down3, down4];
  }

  #fpemUnit(fpem: string, unit: (typeof fpemUnits)[number], coarse: string, finer: string, stride: 1 | 2): string {
    const enlarged = this.#upsample(`${fpem}.enlarged${unit}`, coarse, 2, this.config.neck.upsampling);
    const joined = this.#add(`${fpem}.join${unit}`, enlarged, finer);
    const filtered = this.#conv(`${fpem}.dwconv${unit}`, joined, { stride });
    return this.#relu(this.#conv(`${fpem}.smooth_layer${unit}.conv`, filtered));
  }

  #conv(name: string, input: string, options: { stride?: number; output?: string } = {}): string {
    const { shape, depthwise, stride } = this.#convolutions.get(name)!;
    const [outChannels, , kernel] = shape;
    const parameters = [this.graph.constant(`${name}.weight`, shape, floats(this.tensors, `${name}.weight`))];
    if (this.tensors.has(`${name}.bias`)) {
      parameters.push(this.graph.constant(`${name}.bias`, [outChannels], floats(this.tensors, `${name}.bias`)));
    }
    const attributes = { ...window(kernel, options.stride ?? stride), group: depthwise ? outChannels : 1 };
    return this.graph.node('Conv', options.output ?? name, [input, ...parameters], attributes);
  }

  #relu(input: string): string {
    return this.graph.node('Relu', `${input}.relu`, [input]);
  }

  #add(name: string, a: string, b: string): string {
    return this.graph.node('Add', name, [a, b]);
  }

  // Levels are halves of one another, since the padded image's sides are multiples of 32.
  #upsample(name: string, input: string, factor: number, how: 'bilinear' | 'nearest' = 'bilinear'): string {
    const scales = this.graph.constant(`${name}.scales`, [4], Float32Array.of(1, 1, factor, factor));
    return this.graph.node('Resize', name, [input, '', scales], {
      mode: how === 'bilinear' ? 'linear' : 'nearest',
      coordinate_transformation_mode: 'half_pixel',
    });
  }
}

/** A square window that is centred on each of its positions. */
function window(size: number, stride: number): Record<string, Attribute> {
  const pad = size >> 1;
  return { kernel_shape: [size, size], strides: [stride, stride], pads: [pad, pad, pad, pad] };
}

function eachLevel(levels: Levels, change: (map: string, level: number) => string): Levels {
  return levels.map((map, index) => change(map, index + 1)) as unknown as Levels;
}
