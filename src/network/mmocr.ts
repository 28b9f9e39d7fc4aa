// Renames the tensors of mmocr's PANet to the authors' names. It is PAN with the same stem, blocks
// and head. Differences: its FPEMs upsample by nearest neighbour, and all convolutions of its neck
// have a bias, which is folded into the following batch norm. Sources: mmocr's configuration
// _base_panet_resnet18_fpem-ffm, its FPEM_FFM and PANHead, and mmdet's ResNet. The input is the
// same: RGB, normalised with ImageNet's mean and standard deviation.
import type { NamedTensor } from '../checkpoint/tensor.js';
import { PanppError } from '../errors.js';

type Tensors = ReadonlyMap<string, NamedTensor>;

/**
 * Names of an FPEM's units: mmocr numbers them within the up and down paths, the authors by level
 * and path.
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
  // The stem repeats convolution, batch norm, ReLU.
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

/** Whether the tensors have the names of mmocr's PANet. */
export function isMmocrPanet(tensors: Tensors): boolean {
  return [...tensors.keys()].some((name) => /^neck\.(fpems\.\d|reduce_conv_c\d)/.test(name));
}

/**
 * Returns the tensors of mmocr's PANet by the authors' names, with the neck's biases folded into
 * the means of its batch norms.
 * @throws PanppError `weights` for variants that are another network: a 7×7 stem, or a head with
 * only one convolution
 */
export function fromMmocrPanet(tensors: Tensors, source: string): Map<string, NamedTensor> {
  const other = (what: string): never => {
    throw new PanppError(
      'weights',
      `${source} is a PANet of mmocr with ${what}; this variant is not supported`,
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
 * W (D x + d) + p = W D x + (W d + p): a depthwise convolution's bias d adds W d to the bias of the
 * following 1×1 convolution. A batch norm subtracts its mean, so a bias before it can be subtracted
 * from the mean.
 */
function absorbBiases(tensors: Map<string, NamedTensor>, layer: string, source: string): void {
  const depthwise = take(tensors, `${layer.replace('smooth_layer', 'dwconv')}.bias`) ?? [];
  const pointwise = take(tensors, `${layer}.conv.bias`) ?? [];
  const { data: weight, shape } = tensors.get(`${layer}.conv.weight`)!;
  const name = `${layer}.bn.running_mean`;
  const mean = tensors.get(name);
  if (!mean) return; // reported later, with all missing tensors
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
