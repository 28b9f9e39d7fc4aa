// mmocr's PANet under the names of the authors' code. It is PAN with the same stem, blocks and
// head; what differs is that its FPEMs upsample by nearest neighbour and that all convolutions of
// its neck have a bias, which the batch norm behind them takes in. Facts: mmocr's configuration
// _base_panet_resnet18_fpem-ffm, its FPEM_FFM and PANHead, and mmdet's ResNet. The input is the
// same: RGB, ImageNet's mean and deviation.
import type { NamedTensor } from '../checkpoint/tensor.js';
import { PanppError } from '../errors.js';

type Tensors = ReadonlyMap<string, NamedTensor>;

/**
 * Units of an FPEM: mmocr counts the way up and the way down, the authors the level and the way.
 */
const UNITS: Readonly<Record<string, string>> = {
  up_add1: '3_1',
  up_add2: '2_1',
  up_add3: '1_1',
  down_add1: '2_2',
  down_add2: '3_2',
  down_add3: '4_2',
};

const RENAMED: readonly (readonly [RegExp, (match: RegExpMatchArray) => string])[] = [
  // Convolution, batch norm and ReLU by turns.
  [/^backbone\.stem\.([036])\./, ([, at]) => `backbone.conv${Number(at) / 3 + 1}.`],
  [/^backbone\.stem\.([147])\./, ([, at]) => `backbone.bn${(Number(at) - 1) / 3 + 1}.`],
  [/^neck\.reduce_conv_c([2-5])\.0\./, ([, level]) => `reduce_layer${Number(level) - 1}.conv.`],
  [/^neck\.reduce_conv_c([2-5])\.1\./, ([, level]) => `reduce_layer${Number(level) - 1}.bn.`],
  [
    /^neck\.fpems\.(\d+)\.(\w+)\.depthwise_conv\./,
    ([, fpem, unit]) => `${fpemName(fpem)}.dwconv${UNITS[unit]}.`,
  ],
  [
    /^neck\.fpems\.(\d+)\.(\w+)\.pointwise_conv\./,
    ([, fpem, unit]) => `${fpemName(fpem)}.smooth_layer${UNITS[unit]}.conv.`,
  ],
  [
    /^neck\.fpems\.(\d+)\.(\w+)\.bn\./,
    ([, fpem, unit]) => `${fpemName(fpem)}.smooth_layer${UNITS[unit]}.bn.`,
  ],
];

function fpemName(index: string): string {
  return `fpem${Number(index) + 1}`;
}

/** Whether tensors have the names of mmocr's PANet. */
export function isMmocrPanet(tensors: Tensors): boolean {
  return [...tensors.keys()].some((name) => /^neck\.(fpems\.\d|reduce_conv_c\d)/.test(name));
}

/**
 * The tensors of mmocr's PANet by the authors' names, with the neck's biases in its batch norms'
 * means.
 * @throws PanppError `weights` for the variants that are another network: a 7×7 stem, a head of one
 * convolution
 */
export function fromMmocrPanet(tensors: Tensors, source: string): Map<string, NamedTensor> {
  const other = (what: string): never => {
    throw new PanppError(
      'weights',
      `${source} is a PANet of mmocr with ${what}; that network can't be run here`,
    );
  };
  if (tensors.get('backbone.conv1.weight')?.shape[2] === 7) {
    other(
      "a 7×7 convolution as stem, where PAN's authors have three of 3×3 (mmocr's panet_resnet18 of version 1 has them)",
    );
  }
  if ([...tensors.keys()].some((name) => /^(bbox|det)_head\.out_conv\./.test(name))) {
    other("one convolution as head (mmocr before 1.0), where PAN's authors have two");
  }
  const renamed = new Map([...tensors].map(([name, tensor]) => [renamedTensor(name), tensor]));
  for (const name of [...renamed.keys()]) {
    const layer = /^((?:fpem\d+\.smooth|reduce)_layer\w+)\.conv\.weight$/.exec(name)?.[1];
    if (layer) absorbBiases(renamed, layer, source);
  }
  return renamed;
}

function renamedTensor(name: string): string {
  for (const [pattern, rename] of RENAMED) {
    const match = pattern.exec(name);
    if (match) return rename(match) + name.slice(match[0].length);
  }
  return name.replace(/^bbox_head\./, 'det_head.');
}

/**
 * W (D x + d) + p = W D x + (W d + p): a depthwise convolution's bias d reaches that of the 1×1
 * convolution behind it as W d. A batch norm subtracts its mean, so a bias before it can be
 * subtracted from the mean.
 */
function absorbBiases(tensors: Map<string, NamedTensor>, layer: string, source: string): void {
  const depthwise = take(tensors, `${layer.replace('smooth_layer', 'dwconv')}.bias`) ?? [];
  const pointwise = take(tensors, `${layer}.conv.bias`) ?? [];
  const { data: weight, shape } = tensors.get(`${layer}.conv.weight`)!;
  const name = `${layer}.bn.running_mean`;
  const mean = tensors.get(name);
  if (!mean) return; // told with whatever else is missing
  const [outputs, inputs] = shape;
  const fits = [pointwise.length, depthwise.length].every(
    (length, i) => length === 0 || length === shape[i],
  );
  if (!fits || mean.data.length !== outputs || weight.length !== outputs * inputs) {
    throw new PanppError(
      'weights',
      `${source} has biases in ${layer} (${name} and before it) whose sizes don't agree`,
    );
  }
  const means = Array.from(mean.data, Number).map((value, out) => {
    const through = depthwise.reduce(
      (sum, bias, i) => sum + Number(weight[out * inputs + i]) * bias,
      0,
    );
    return value - (pointwise[out] ?? 0) - through;
  });
  tensors.set(name, { ...mean, data: Float32Array.from(means) });
}

function take(tensors: Map<string, NamedTensor>, name: string): number[] | undefined {
  const tensor = tensors.get(name);
  tensors.delete(name);
  return tensor && Array.from(tensor.data, Number);
}
