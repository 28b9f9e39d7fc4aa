// Tuning tasks: a convolution shape with any tile, and a class of convolutions with any method.
// Both run on random values.
import type { Gpu } from '../gpu/context.js';
import type { Binding, Dispatch, Resource } from '../gpu/dispatch.js';
import type { ConvMethod } from '../layers/conv/method.js';
import type { ConvShape } from '../layers/conv/shape.js';
import { tileName } from '../layers/conv/tiles/kinds.js';
import type { ConvTile } from '../layers/conv/tiles/tile.js';
import { type PackedConv, planConv } from '../layers/conv/conv.js';
import { planDirectConv } from '../layers/conv/direct.js';
import { featureMap } from '../layers/feature-map.js';
import { type Precision, valueBytes } from '../layers/precision.js';

/** A computation with several candidates for its configuration. */
export interface TuningTask<T> {
  /** The dispatches of a candidate; all candidates write `output`. */
  dispatches(candidate: T): readonly Dispatch[];
  /** Name of a candidate in messages. */
  name(candidate: T): string;
  readonly output: GPUBuffer;
  /** Precision of the output. */
  readonly precision: Precision;
  /** Allowed difference of outputs, as a fraction of the largest value. */
  readonly tolerance: number;
  /** Other buffers to free together with the output. */
  readonly inputs: readonly GPUBuffer[];
}

/**
 * Allowed difference of results, as a fraction of the largest value: sums are float32, results are
 * stored in this precision.
 */
const tolerance: Readonly<Record<Precision, number>> = { f32: 1e-4, f16: 2 ** -8 };

/** The task of one convolution shape; its candidates are tiles. */
export function tileTask(gpu: Gpu, shape: ConvShape): TuningTask<ConvTile> {
  const { kernel, inChannels, outChannels, batches = 1, sizes, types } = shape;
  const input = createBuffer(gpu, batches * sizes[0] * sizes[1] * inChannels, types.input);
  const weights = createBuffer(gpu, batches * kernel ** 2 * inChannels * outChannels, types.weight);
  const output = createBuffer(gpu, batches * sizes[2] * sizes[3] * outChannels, types.output);
  return {
    dispatches: (tile) => [
      planDirectConv(() => tile, {
        ...shape,
        label: tileName(tile),
        input,
        weights,
        output,
      }),
    ],
    name: tileName,
    output,
    precision: types.output,
    tolerance: tolerance[types.output],
    inputs: [input, weights],
  };
}

/**
 * The task of one convolution on maps of several sizes in sequence; its candidates are methods.
 * @param packed the weights for each method; still owned by the caller
 * @param shapes the direct shapes of the convolution, with stride 1
 */
export function methodTask(
  gpu: Gpu,
  packed: ReadonlyMap<ConvMethod, PackedConv>,
  shapes: readonly Pick<ConvShape, 'sizes'>[],
): TuningTask<ConvMethod> {
  const [{ inChannels, outChannels, precision }] = packed.values();
  const pixels = Math.max(...shapes.map(({ sizes }) => sizes[0] * sizes[1]));
  const input = createBuffer(gpu, pixels * inChannels, precision);
  const output = createBuffer(gpu, pixels * outChannels, precision);
  return {
    dispatches: (method) =>
      shapes.flatMap(({ sizes: [height, width] }) => {
        const map = featureMap('input', height, width, inChannels, precision);
        const planned = planConv(method, map, packed.get(method)!);
        // Maps of all sizes start at the beginning of the same buffers.
        const buffers = new Map<Resource, GPUBuffer>([
          [map.slot, input],
          [planned.output.slot, output],
        ]);
        const bound = (binding: Binding) => ({
          ...binding,
          resource: buffers.get(binding.resource) ?? binding.resource,
        });
        return planned.dispatches.map((dispatch) => ({
          ...dispatch,
          bindings: dispatch.bindings.map(bound),
        }));
      }),
    name: (method) => method,
    output,
    precision,
    // In f16, Winograd rounds four times and amplifies errors (winograd.ts): 3.3e-3 was observed.
    tolerance: 2 * tolerance[precision],
    inputs: [input],
  };
}

/** Creates a buffer of random values. */
function createBuffer({ device }: Gpu, count: number, precision: Precision): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({
    label: 'panpp tuning',
    size: count * valueBytes[precision],
    usage,
    mappedAtCreation: true,
  });
  const mapped = buffer.getMappedRange();
  randomize(precision === 'f16' ? new Uint16Array(mapped) : new Float32Array(mapped));
  buffer.unmap();
  return buffer;
}

/** Fills an array with reproducible values in −1 … 1, as floats or as the bits of halves. */
export function randomize<T extends Float32Array | Uint16Array>(values: T): T {
  let state = 1;
  for (let index = 0; index < values.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Bits of a half: sign, exponent of 1/16 to 1/2, mantissa.
    values[index] =
      values instanceof Uint16Array
        ? ((state >>> 31) << 15) | ((11 + ((state >>> 26) & 3)) << 10) | ((state >>> 12) & 1023)
        : state / 2 ** 31 - 1;
  }
  return values;
}
