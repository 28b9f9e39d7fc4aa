// Exports the detector as an ONNX model: normalised image in, detection head's map out. Uses only
// standard operators, so that any ONNX runtime can run it.
// Source: github.com/onnx/onnx, docs/Operators.md.
import { PanppError } from '../errors.js';
import { type Upsampling, mapChannels } from '../network/config.js';
import { type ConvParameters, type Levels, type Ops, detector } from '../network/detector.js';
import { type FoldedWeights, floats } from '../network/weights.js';
import type { WeightsFile } from '../network/weights-file.js';
import { type Attribute, type Dimension, OnnxGraph } from './onnx-graph.js';

export interface OnnxOptions {
  /** Sides of the image, multiples of 32; default: any size, not only multiples of 32. */
  readonly height?: number;
  readonly width?: number;
  /** Version of the operators, 13 to 21; default: 17. */
  readonly opset?: number;
}

const networkStride = 32;
const mapStride = 4;
const opsets = { first: 13, last: 21 } as const;

/**
 * Writes the detector of a weights file as an ONNX model. Input `image`: 1 × 3 × H × W, (rgb / 255
 * − mean) / std with ImageNet's mean and standard deviation. Output `det`: 1 × 6 × ⌈H/4⌉ × ⌈W/4⌉
 * (text logit, kernel logit, instance vector). Without a fixed size, the graph pads images whose
 * sides are not multiples of 32 with zeros at the right and bottom, and crops the map. A
 * recognition head is not exported.
 * @returns the bytes of a `.onnx` file
 * @throws PanppError `argument` for sides or an opset out of range
 */
export function exportOnnx(
  { config, tensors }: WeightsFile,
  { height, width, opset = 17 }: OnnxOptions = {},
): Uint8Array<ArrayBuffer> {
  const [rows, columns] = [sideOf('height', height), sideOf('width', width)];
  if (!(Number.isInteger(opset) && opset >= opsets.first && opset <= opsets.last)) {
    throw new PanppError(
      'argument',
      `opset is ${opset}; it must be ${opsets.first} to ${opsets.last}`,
    );
  }
  const graph = new OnnxGraph();
  const image = graph.input('image', [1, 3, rows.image, columns.image]);
  const isSized = height !== undefined && width !== undefined;
  const ops = new OnnxOps(graph, tensors, isSized ? 'det' : 'det.padded');
  const mapOf = (input: string) => detector(config, ops, input).det;
  const det = isSized ? mapOf(image) : padded(graph, image, mapOf);
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
    throw new PanppError(
      'argument',
      `${name} is ${side}; it must be a multiple of ${networkStride}`,
    );
  }
  return { image: side, map: side / mapStride };
}

/**
 * A detector for images of any size: pads the image to multiples of 32 and crops the map.
 */
function padded(graph: OnnxGraph, image: string, mapOf: (image: string) => string): string {
  const whole = (name: string, ...values: number[]) =>
    graph.constant(name, [values.length], BigInt64Array.from(values, BigInt));
  const shape = graph.node('Shape', 'image.shape', [image]);
  const size = graph.node('Slice', 'image.size', [
    shape,
    whole('image.size.from', 2),
    whole('image.size.to', 4),
  ]);
  // The result of Mod has the divisor's sign, so this is the distance to the next multiple.
  const missing = graph.node('Mod', 'image.missing', [
    graph.node('Neg', 'image.minus', [size]),
    whole('image.stride', networkStride),
  ]);
  const pads = graph.node(
    'Concat',
    'image.pads',
    [whole('image.unpadded', 0, 0, 0, 0, 0, 0), missing],
    { axis: 0 },
  );
  const map = mapOf(graph.node('Pad', 'image.padded', [image, pads]));
  const rounded = graph.node('Add', 'det.rounded', [size, whole('det.round', mapStride - 1)]);
  const end = graph.node('Div', 'det.size', [rounded, whole('det.stride', mapStride)]);
  return graph.node('Slice', 'det', [map, whole('det.from', 0, 0), end, whole('det.axes', 2, 3)]);
}

/** Writes the detector's description as ONNX operators; a map is the name of a value. */
class OnnxOps implements Ops<string> {
  constructor(
    readonly graph: OnnxGraph,
    readonly tensors: FoldedWeights,
    readonly detName: string,
  ) {}

  conv(
    conv: ConvParameters,
    input: string,
    { relu = false, residual }: { relu?: boolean; residual?: string } = {},
  ): string {
    const filtered = this.#conv(conv, input);
    const sum =
      residual === undefined ? filtered : this.#add(`${conv.name}.sum`, filtered, residual);
    return relu ? this.#relu(sum) : sum;
  }

  det(conv: ConvParameters, input: string): string {
    return this.#conv(conv, input, this.detName);
  }

  stem(convs: readonly ConvParameters[], image: string): string {
    const map = convs.reduce((input, conv) => this.conv(conv, input, { relu: true }), image);
    return this.graph.node('MaxPool', 'backbone.maxpool', [map], window(3, 2));
  }

  joined(conv: ConvParameters, coarse: string, finer: string, upsampling: Upsampling): string {
    return this.#conv(
      conv,
      this.#add(
        `${conv.name}.join`,
        this.#upsample(`${conv.name}.enlarged`, coarse, 2, upsampling),
        finer,
      ),
    );
  }

  summedConv(conv: ConvParameters, input: string, addend: string) {
    const output = this.conv(conv, input, { relu: true });
    return { output, total: this.#add(`${conv.name}.total`, output, addend) };
  }

  pyramidConv(conv: ConvParameters, [finest, ...coarser]: Levels<string>): string {
    const enlarged = coarser.map((level, index) =>
      this.#upsample(`${conv.name}.enlarged${index + 2}`, level, 2 ** (index + 1)),
    );
    return this.conv(
      conv,
      this.graph.node('Concat', `${conv.name}.fused`, [finest, ...enlarged], { axis: 1 }),
      { relu: true },
    );
  }

  #conv({ name, shape, depthwise, stride }: ConvParameters, input: string, output = name): string {
    const [outChannels, , kernel] = shape;
    const parameters = [
      this.graph.constant(`${name}.weight`, shape, floats(this.tensors, `${name}.weight`)),
    ];
    if (!depthwise)
      parameters.push(
        this.graph.constant(`${name}.bias`, [outChannels], floats(this.tensors, `${name}.bias`)),
      );
    return this.graph.node('Conv', output, [input, ...parameters], {
      ...window(kernel, stride),
      group: depthwise ? outChannels : 1,
    });
  }

  #add(name: string, a: string, b: string): string {
    return this.graph.node('Add', name, [a, b]);
  }

  #relu(input: string): string {
    return this.graph.node('Relu', `${input}.relu`, [input]);
  }

  // Each level is half as large as the previous one: the padded image's sides are multiples of 32.
  #upsample(name: string, input: string, factor: number, how: Upsampling = 'bilinear'): string {
    const scales = this.graph.constant(
      `${name}.scales`,
      [4],
      Float32Array.of(1, 1, factor, factor),
    );
    return this.graph.node('Resize', name, [input, '', scales], {
      mode: how === 'bilinear' ? 'linear' : 'nearest',
      coordinate_transformation_mode: 'half_pixel',
    });
  }
}

/** Attributes of a square window centred on each position. */
function window(size: number, stride: number): Record<string, Attribute> {
  const pad = size >> 1;
  return { kernel_shape: [size, size], strides: [stride, stride], pads: [pad, pad, pad, pad] };
}
