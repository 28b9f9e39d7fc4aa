// The detector's description as an ONNX model: normalised image in, the head's map out, in standard operators alone, so that any ONNX runtime
// runs it.
// Source: operators as in github.com/onnx/onnx, docs/Operators.md.
import { PanppError } from '../errors.js';
import { mapChannels } from '../network/config.js';
import { type ConvParameters, type Levels, type Ops, detector } from '../network/detector.js';
import { type FoldedWeights, floats } from '../network/weights.js';
import type { WeightsFile } from '../network/weights-file.js';
import { type Attribute, type Dimension, OnnxGraph } from './onnx-graph.js';

export interface OnnxOptions {
  /** Sides of the image, multiples of 32. Left out, the model takes any. */
  readonly height?: number;
  readonly width?: number;
  /** Version of the operators, 13 to 21; 17 unless given. */
  readonly opset?: number;
}

const networkStride = 32;
const mapStride = 4;
const opsets = { first: 13, last: 21 } as const;

/**
 * Writes the detector of a weights file as an ONNX model. Input `image`: 1 × 3 × H × W, (rgb / 255 − mean) / std with
 * ImageNet's mean and standard deviation. Output `det`: 1 × 6 × H/4 × W/4 (text logit, kernel logit, instance vector).
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
  const { det } = detector(config, new OnnxOps(graph, tensors), image);
  graph.output(det, [1, mapChannels, rows.map, columns.map]);
  return graph.finish('panpp detector', opset, description, { config: JSON.stringify(config) });
}

const description =
  'PAN++ text detector. image: RGB, (value / 255 - mean) / std with mean 0.485 0.456 0.406, std 0.229 0.224 0.225; ' +
  'sides multiples of 32. det: text logit, kernel logit, 4 of instance vector, at a quarter of the size.';

function sideOf(name: string, side: number | undefined): { image: Dimension; map: Dimension } {
  if (side === undefined) return { image: name, map: `map_${name}` };
  if (!(Number.isInteger(side) && side > 0 && side % networkStride === 0)) {
    throw new PanppError('argument', `${name} is ${side}; it must be a multiple of ${networkStride}`);
  }
  return { image: side, map: side / mapStride };
}

/** Writes the description as ONNX operators; a map is the name of a value. */
class OnnxOps implements Ops<string> {
  constructor(
    readonly graph: OnnxGraph,
    readonly tensors: FoldedWeights,
  ) {}

  conv(conv: ConvParameters, input: string, { relu = false, residual }: { relu?: boolean; residual?: string } = {}): string {
    const filtered = this.#conv(conv, input);
    const sum = residual === undefined ? filtered : this.add(`${conv.name}.sum`, filtered, residual);
    return relu ? this.#relu(sum) : sum;
  }

  det(conv: ConvParameters, input: string): string {
    return this.#conv(conv, input, 'det');
  }

  stem(convs: readonly ConvParameters[], image: string): string {
    const map = convs.reduce((input, conv) => this.conv(conv, input, { relu: true }), image);
    return this.graph.node('MaxPool', 'backbone.maxpool', [map], window(3, 2));
  }

  joined(conv: ConvParameters, coarse: string, finer: string): string {
    return this.#conv(conv, this.add(`${conv.name}.join`, this.#upsample(`${conv.name}.enlarged`, coarse, 2), finer));
  }

  add(name: string, a: string, b: string): string {
    return this.graph.node('Add', name, [a, b]);
  }

  pyramidConv(conv: ConvParameters, [finest, ...coarser]: Levels<string>): string {
    const enlarged = coarser.map((level, index) => this.#upsample(`${conv.name}.enlarged${index + 2}`, level, 2 ** (index + 1)));
    return this.conv(conv, this.graph.node('Concat', `${conv.name}.fused`, [finest, ...enlarged], { axis: 1 }), { relu: true });
  }

  #conv({ name, shape, depthwise, stride }: ConvParameters, input: string, output = name): string {
    const [outChannels, , kernel] = shape;
    const parameters = [this.graph.constant(`${name}.weight`, shape, floats(this.tensors, `${name}.weight`))];
    if (!depthwise) parameters.push(this.graph.constant(`${name}.bias`, [outChannels], floats(this.tensors, `${name}.bias`)));
    return this.graph.node('Conv', output, [input, ...parameters], { ...window(kernel, stride), group: depthwise ? outChannels : 1 });
  }

  #relu(input: string): string {
    return this.graph.node('Relu', `${input}.relu`, [input]);
  }

  // Levels are halves of one another, since the image's sides are multiples of 32.
  #upsample(name: string, input: string, factor: number): string {
    const scales = this.graph.constant(`${name}.scales`, [4], Float32Array.of(1, 1, factor, factor));
    return this.graph.node('Resize', name, [input, '', scales], {
      mode: 'linear',
      coordinate_transformation_mode: 'half_pixel',
    });
  }
}

/** A square window that is centred on each of its positions. */
function window(size: number, stride: number): Record<string, Attribute> {
  const pad = size >> 1;
  return { kernel_shape: [size, size], strides: [stride, stride], pads: [pad, pad, pad, pad] };
}
