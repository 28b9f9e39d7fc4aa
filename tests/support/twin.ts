// A second, plain implementation of the network on the CPU: planes (channels, height, width),
// without optimisations, straight from the spec.
import type { NamedTensor } from '../../src/checkpoint/tensor.js';
import type { PixelImage } from '../../src/images/image.js';
import type { ModelConfig } from '../../src/network/config.js';

export interface Planes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

export function planes(
  channels: number,
  height: number,
  width: number,
  data?: Float32Array,
): Planes {
  return { channels, height, width, data: data ?? new Float32Array(channels * height * width) };
}

/** The network's input for an image that is not resized: red, green and blue, normalised. */
export function normalised({ height, width, channels, data }: PixelImage): Planes {
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const image = planes(3, height, width);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[channel * height * width + pixel] =
        (data[channels * pixel + channel] / 255 - mean[channel]) / deviation[channel];
    }
  }
  return image;
}

/** Square convolution with padding kernel / 2, accumulated in float64. */
export function conv2d(
  input: Planes,
  weight: Float32Array,
  bias: Float32Array,
  kernel: number,
  stride: number,
): Planes {
  const pad = kernel >> 1;
  const height = Math.floor((input.height + 2 * pad - kernel) / stride) + 1;
  const width = Math.floor((input.width + 2 * pad - kernel) / stride) + 1;
  const output = planes(bias.length, height, width);
  const length = input.channels * kernel * kernel;
  // Several pixels at once, so that an output channel's weights are read once for all of them.
  const patches = Array.from({ length: Math.min(8, width) }, () => new Float64Array(length));
  const weights = Float64Array.from(weight);
  for (let y = 0; y < height; y++) {
    for (let first = 0; first < width; first += patches.length) {
      const count = Math.min(patches.length, width - first);
      for (let k = 0; k < count; k++)
        readPatch(patches[k], input, y * stride - pad, (first + k) * stride - pad, kernel);
      for (let out = 0; out < bias.length; out++) {
        const at = (out * height + y) * width + first;
        for (let k = 0; k < count; k++)
          output.data[at + k] = bias[out] + dot(weights, out * length, patches[k]);
      }
    }
  }
  return output;
}

/** The inputs of an output pixel, in the order of the weights; zero outside the map. */
function readPatch(
  patch: Float64Array,
  { channels, height, width, data }: Planes,
  top: number,
  left: number,
  kernel: number,
): void {
  let at = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = top; y < top + kernel; y++) {
      for (let x = left; x < left + kernel; x++) {
        const isInside = y >= 0 && y < height && x >= 0 && x < width;
        patch[at++] = isInside ? data[(channel * height + y) * width + x] : 0;
      }
    }
  }
}

/**
 * Dot product of `values` with the row of weights that begins at `start`. Four independent sums are
 * four times as fast as one.
 */
export function dot(weights: Float64Array, start: number, values: Float64Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length & ~3;
  for (let index = 0; index < whole; index += 4) {
    a += weights[start + index] * values[index];
    b += weights[start + index + 1] * values[index + 1];
    c += weights[start + index + 2] * values[index + 2];
    d += weights[start + index + 3] * values[index + 3];
  }
  for (let index = whole; index < values.length; index++)
    a += weights[start + index] * values[index];
  return a + b + c + d;
}

/** Depthwise 3×3 convolution, padding 1. */
export function depthwise3x3(input: Planes, weight: Float32Array, stride: number): Planes {
  const size = input.height * input.width;
  const parts = Array.from({ length: input.channels }, (_, channel) =>
    conv2d(
      planes(
        1,
        input.height,
        input.width,
        input.data.subarray(channel * size, (channel + 1) * size),
      ),
      weight.subarray(9 * channel, 9 * channel + 9),
      new Float32Array(1),
      3,
      stride,
    ),
  );
  return concatenate(parts);
}

export function maxPool3x3(input: Planes): Planes {
  const output = planes(
    input.channels,
    Math.floor((input.height - 1) / 2) + 1,
    Math.floor((input.width - 1) / 2) + 1,
  );
  each(output, (channel, y, x) => {
    let largest = -Infinity;
    for (let row = Math.max(0, 2 * y - 1); row <= Math.min(input.height - 1, 2 * y + 1); row++) {
      for (
        let column = Math.max(0, 2 * x - 1);
        column <= Math.min(input.width - 1, 2 * x + 1);
        column++
      ) {
        largest = Math.max(
          largest,
          input.data[(channel * input.height + row) * input.width + column],
        );
      }
    }
    return largest;
  });
  return output;
}

/** Nearest-neighbour upsampling to twice the height and width. */
export function doubled(input: Planes, height: number, width: number): Planes {
  const output = planes(input.channels, height, width);
  for (let i = 0; i < output.data.length; i++) {
    const [x, row] = [i % width, Math.floor(i / width)];
    const [y, channel] = [row % height, Math.floor(row / height)];
    output.data[i] = input.data[(channel * input.height + (y >> 1)) * input.width + (x >> 1)];
  }
  return output;
}

/** Bilinear, half-pixel centres, clamped. */
export function upsample(input: Planes, height: number, width: number): Planes {
  const output = planes(input.channels, height, width);
  const source = (at: number, from: number, to: number) => {
    const position = Math.max(0, ((at + 0.5) * from) / to - 0.5);
    const low = Math.floor(position);
    return { low, high: Math.min(low + 1, from - 1), share: position - low };
  };
  each(output, (channel, y, x) => {
    const row = source(y, input.height, height);
    const column = source(x, input.width, width);
    const at = (r: number, c: number) => input.data[(channel * input.height + r) * input.width + c];
    const top =
      at(row.low, column.low) * (1 - column.share) + at(row.low, column.high) * column.share;
    const bottom =
      at(row.high, column.low) * (1 - column.share) + at(row.high, column.high) * column.share;
    return top * (1 - row.share) + bottom * row.share;
  });
  return output;
}

export function add(a: Planes, b: Planes): Planes {
  return { ...a, data: a.data.map((value, index) => value + b.data[index]) };
}

export function relu(input: Planes): Planes {
  return { ...input, data: input.data.map((value) => Math.max(0, value)) };
}

export function concatenate(parts: readonly Planes[]): Planes {
  const output = planes(
    parts.reduce((sum, part) => sum + part.channels, 0),
    parts[0].height,
    parts[0].width,
  );
  let at = 0;
  for (const part of parts) {
    output.data.set(part.data, at);
    at += part.data.length;
  }
  return output;
}

function each(output: Planes, value: (channel: number, y: number, x: number) => number): void {
  let at = 0;
  for (let channel = 0; channel < output.channels; channel++) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) output.data[at++] = value(channel, y, x);
    }
  }
}

/**
 * The head's 6-channel map at 1/4 scale from a normalised image (3 planes). Batch norms are applied
 * as stored, not folded.
 */
export function networkTwin(
  tensors: ReadonlyMap<string, NamedTensor>,
  config: ModelConfig,
  image: Planes,
): Planes {
  const values = (name: string) => tensors.get(name)!.data as Float32Array;
  const conv = (name: string, input: Planes, stride = 1) => {
    const [out, , kernel] = tensors.get(`${name}.weight`)!.shape;
    const bias = tensors.has(`${name}.bias`) ? values(`${name}.bias`) : new Float32Array(out);
    return conv2d(input, values(`${name}.weight`), bias, kernel, stride);
  };
  const norm = (name: string, input: Planes): Planes => {
    const [scale, shift, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
      (part) => values(`${name}.${part}`),
    );
    const size = input.height * input.width;
    const data = input.data.map((value, index) => {
      const channel = Math.floor(index / size);
      return (
        ((value - mean[channel]) / Math.sqrt(variance[channel] + 1e-5)) * scale[channel] +
        shift[channel]
      );
    });
    return { ...input, data };
  };
  const basicBlock = (prefix: string, input: Planes, stride: number) => {
    const hidden = relu(norm(`${prefix}.bn1`, conv(`${prefix}.conv1`, input, stride)));
    const output = norm(`${prefix}.bn2`, conv(`${prefix}.conv2`, hidden));
    const hasShortcut = tensors.has(`${prefix}.downsample.0.weight`);
    const shortcut = hasShortcut
      ? norm(`${prefix}.downsample.1`, conv(`${prefix}.downsample.0`, input, stride))
      : input;
    return relu(add(output, shortcut));
  };

  let map = image;
  for (const index of [1, 2, 3])
    map = relu(
      norm(`backbone.bn${index}`, conv(`backbone.conv${index}`, map, index === 1 ? 2 : 1)),
    );
  map = maxPool3x3(map);
  let levels = config.backbone.blocks.map((count, layer) => {
    for (let block = 0; block < count; block++) {
      map = basicBlock(
        `backbone.layer${layer + 1}.${block}`,
        map,
        block === 0 && layer > 0 ? 2 : 1,
      );
    }
    return map;
  });
  levels = levels.map((level, index) =>
    relu(norm(`reduce_layer${index + 1}.bn`, conv(`reduce_layer${index + 1}.conv`, level))),
  );
  let total: Planes[] | undefined;
  for (let index = 1; index <= config.neck.fpems; index++) {
    const unit = (name: string, coarse: Planes, fine: Planes, stride: number) => {
      const enlarge = config.neck.upsampling === 'nearest' ? doubled : upsample;
      const joined = add(enlarge(coarse, fine.height, fine.width), fine);
      const filtered = depthwise3x3(joined, values(`fpem${index}.dwconv${name}.weight`), stride);
      return relu(
        norm(
          `fpem${index}.smooth_layer${name}.bn`,
          conv(`fpem${index}.smooth_layer${name}.conv`, filtered),
        ),
      );
    };
    const [f1, f2, f3, f4] = levels;
    const up3 = unit('3_1', f4, f3, 1);
    const up2 = unit('2_1', up3, f2, 1);
    const up1 = unit('1_1', up2, f1, 1);
    const down2 = unit('2_2', up2, up1, 2);
    const down3 = unit('3_2', up3, down2, 2);
    const down4 = unit('4_2', f4, down3, 2);
    const refined = [up1, down2, down3, down4];
    levels =
      config.neck.fusion === 'pan' ? refined : refined.map((level, at) => add(level, levels[at]));
    total =
      config.neck.fusion === 'pan' && total
        ? total.map((level, at) => add(level, levels[at]))
        : levels;
  }
  const [first] = total!;
  const fused = concatenate(
    total!.map((level, index) =>
      index === 0 ? level : upsample(level, first.height, first.width),
    ),
  );
  return conv('det_head.conv2', relu(norm('det_head.bn1', conv('det_head.conv1', fused))));
}
