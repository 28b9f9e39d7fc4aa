// The weights file: safetensors with folded tensors, and their configuration in its metadata.
import { readSafetensors, writeSafetensors } from '../checkpoint/safetensors.js';
import { PanppError } from '../errors.js';
import type { ModelConfig } from './config.js';
import { type FoldedWeights, assertFolded } from './weights.js';

const format = 'panpp';
const version = '1';

/** Content of a weights file: configuration and tensors. */
export interface WeightsFile {
  readonly config: ModelConfig;
  readonly tensors: FoldedWeights;
}

/**
 * @param half store tensors as 16-bit floats
 * @throws PanppError `checkpoint` if a value does not fit 16 bits, `weights` for a tensor of
 * integers
 */
export function writeWeights({ config, tensors }: WeightsFile, half: boolean): Uint8Array {
  return writeSafetensors(floatTensors(tensors), {
    half,
    metadata: { format, version, config: JSON.stringify(config) },
  });
}

function* floatTensors(
  tensors: FoldedWeights,
): Iterable<[string, { shape: readonly number[]; data: Float32Array }]> {
  for (const [name, { shape, data }] of tensors) {
    if (!(data instanceof Float32Array))
      throw new PanppError('weights', `${name} holds integers, but weights must be floats`);
    yield [name, { shape, data }];
  }
}

/**
 * Reads a weights file.
 * @param source name used in error messages
 * @throws PanppError `checkpoint` if it is not a safetensors file; `weights` if it was not made by
 * panpp, does not match its configuration, or has NaN or infinity
 */
export function readWeights(bytes: Uint8Array, source = 'weights'): WeightsFile {
  const { tensors, metadata } = readSafetensors(bytes, source);
  if (metadata.format !== format || metadata.config === undefined) {
    throw new PanppError(
      'weights',
      `${source} was not made by panpp; make one with: panpp convert <checkpoint> <weights.safetensors>`,
    );
  }
  if (metadata.version !== version) {
    throw new PanppError(
      'weights',
      `${source} is not of version ${version}, which this panpp reads; convert the checkpoint again`,
    );
  }
  const config = parseConfig(metadata.config, source);
  assertFolded(tensors, config, source);
  return { config, tensors };
}

function parseConfig(json: string, source: string): ModelConfig {
  const fail = (what: string, cause?: unknown): never => {
    throw new PanppError(
      'weights',
      `${source} has a broken configuration (${what}); convert the checkpoint again`,
      { cause },
    );
  };
  let config: Partial<ModelConfig> = {};
  try {
    config = JSON.parse(json) as Partial<ModelConfig>;
  } catch (cause) {
    fail('no JSON', cause);
  }
  const { backbone, neck, detection, recognition } = config ?? {};
  const count = (value: unknown, most: number) =>
    Number.isInteger(value) && (value as number) > 0 && (value as number) <= most;
  if (!backbone || !['basic', 'bottleneck'].includes(backbone.block)) fail('backbone.block');
  if (
    !Array.isArray(backbone!.blocks) ||
    backbone!.blocks.length !== 4 ||
    !backbone!.blocks.every((n) => count(n, 1000))
  ) {
    fail('backbone.blocks');
  }
  if (!neck || !count(neck.fpems, 100) || !['pan', 'pan++'].includes(neck.fusion)) fail('neck');
  if (!['bilinear', 'nearest'].includes(neck!.upsampling ?? 'bilinear')) fail('neck.upsampling');
  if (
    !detection ||
    ![1, 2, 4].includes(detection.scale) ||
    !['rect', 'poly'].includes(detection.bbox)
  )
    fail('detection');
  for (const key of ['shortSide', 'minScore', 'minArea', 'minKernelArea'] as const) {
    if (!Number.isFinite(detection![key])) fail(`detection.${key}`);
  }
  if (detection!.maxSide !== undefined && !Number.isFinite(detection!.maxSide))
    fail('detection.maxSide');
  if (recognition !== undefined && !isVocabulary(recognition?.vocabulary))
    fail('recognition.vocabulary');
  return config as ModelConfig;
}

function isVocabulary(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((entry) => typeof entry === 'string' && entry.length > 0)
  );
}
