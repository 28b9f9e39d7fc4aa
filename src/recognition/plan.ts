// Plans the reading of regions as a list of dispatches (shaders/recognition): masked RoI, encoder,
// decoder. Pure: sizes and weights in, dispatches out.
// Source: PAN++ paper, recognition head; spec, Recognition.
import attention from '../../shaders/recognition/attention.wgsl';
import beamSearch from '../../shaders/recognition/beam.wgsl';
import classify from '../../shaders/recognition/classify.wgsl';
import decode from '../../shaders/recognition/decode.wgsl';
import encode from '../../shaders/recognition/encode.wgsl';
import lstm from '../../shaders/recognition/lstm.wgsl';
import maskedRoi from '../../shaders/recognition/masked_roi.wgsl';
import { type Dispatch, type Slot, gridOf, dispatch } from '../gpu/dispatch.js';
import { type FeatureMap, bindingOf } from '../layers/feature-map.js';
import { type Precision, valueBytes } from '../layers/precision.js';
import { attentionHeads, lstmCells, neckChannels, specialClasses } from '../network/config.js';
import { shaderOf } from '../wgsl/assemble.js';
import type { StructLayout } from '../wgsl/struct.js';
import type { RecognitionWeights } from './weights.js';
import type { Size } from '../images/size.js';

const roiShader = shaderOf(maskedRoi);
const encodeShader = shaderOf(attention, encode);
const decodeShader = shaderOf(attention, decode, lstm, classify, beamSearch);

/** Maximum number of tokens per word, including EOS. */
export const maxTokens = 32;

/** Rows and columns of a region's feature map. */
export const cropHeight = 8;
export const cropWidth = 32;

/** Maximum number of beam-search hypotheses: limited by the shader's workgroup memory. */
export const maxBeam = 32;

/**
 * Number of 32-bit values per word in `words`: its length, then three per token (`Word` in
 * decode.wgsl).
 */
export const wordFields = 1 + 3 * maxTokens;
/** Number of 32-bit values of `Step` in decode.wgsl. */
export const stepFields = 4;

/** Positions per workgroup of the masked RoI. */
const positionsPerGroup = 16;

const constants = {
  CHANNELS: neckChannels,
  HEADS: attentionHeads,
  CROP_HEIGHT: cropHeight,
  CROP_WIDTH: cropWidth,
  OWN: positionsPerGroup,
  LENGTH: maxTokens,
  MAX_BEAM: maxBeam,
  CELLS: lstmCells,
  SPECIAL: specialClasses,
};

/** Decoding parameters of a plan. */
export interface DecodingPlan {
  /** Hypotheses kept in each step; 1 is greedy decoding. */
  readonly beam: number;
  /** Maximum number of tokens per word: 1 … `maxTokens`. */
  readonly length: number;
  /** Teacher forcing: takes the tokens from `words` and keeps the logits of all steps. */
  readonly forced: boolean;
}

export const greedy: DecodingPlan = { beam: 1, length: maxTokens, forced: false };

export interface RecognitionPlan {
  readonly dispatches: readonly Dispatch[];
  /** Maximum number of regions per run. */
  readonly capacity: number;
  /** Written by the host: see roi.ts. `masks` has room for `maskWords` 32-bit words. */
  readonly regions: Slot;
  readonly masks: Slot;
  readonly maskWords: number;
  readonly settings: Slot;
  /** The result: see words.ts. If decoding is forced, the host writes the tokens there. */
  readonly words: Slot;
  /** [region][8][32][128], [region][128], [region][beam, or length if forced][classes]. */
  readonly crops: Slot;
  readonly holistic: Slot;
  readonly logits: Slot;
}

/**
 * Plans the reading of up to `capacity` regions of an image. Everything except `features` is
 * float32.
 * @param features the recognition head's feature map, at 1/4 of the resized image
 * @param image the resized image's size
 */
export function planRecognition(
  features: FeatureMap,
  image: Size,
  weights: Pick<RecognitionWeights, 'encoder' | 'decoder' | 'classes'>,
  decoding: DecodingPlan,
  capacity: number,
): RecognitionPlan {
  const { classes } = weights;
  const { beam, length, forced } = decoding;
  const slot = (label: string, values: number): Slot => ({
    label: `recognition.${label}`,
    bytes: values * 4,
  });
  const maskWords = 2 * Math.ceil((image.height * image.width) / 32);
  const regions: Slot = { label: 'recognition.regions', bytes: capacity * regionLayout().size };
  const masks = slot('masks', maskWords);
  const settings: Slot = { label: 'recognition.settings', bytes: settingsLayout().size };
  const crops = slot('crops', capacity * cropHeight * cropWidth * neckChannels);
  const holistic = slot('holistic', capacity * neckChannels);
  const states = slot('states', capacity * 2 * beam * 2 * lstmCells * neckChannels);
  const logits = slot('logits', capacity * (forced ? length : beam) * classes);
  const trail = slot('trail', capacity * maxTokens * beam * stepFields);
  const words = slot('words', capacity * wordFields);

  const positions = cropHeight * cropWidth;
  const sizes = {
    channels: neckChannels,
    positions,
    headLanes: neckChannels / attentionHeads,
    cells: lstmCells,
    classes,
    beam,
    length,
    forced: Number(forced),
  };
  const dispatches = [
    dispatch({
      label: 'recognition.masked_roi',
      shader: roiShader({ types: { input: features.precision }, constants }),
      bindings: { features: bindingOf(features), regions, masks, crops, settings },
      uniforms: {
        imageHeight: image.height,
        imageWidth: image.width,
        mapHeight: features.height,
        mapWidth: features.width,
      },
      workgroups: gridOf((capacity * positions) / positionsPerGroup),
    }),
    dispatch({
      label: 'recognition.encode',
      shader: encodeShader({ constants }),
      bindings: { crops, cropValues: crops, weights: weights.encoder, holistic, settings },
      uniforms: sizes,
      workgroups: [capacity, 1, 1],
    }),
    dispatch({
      label: 'recognition.decode',
      shader: decodeShader({ constants }),
      bindings: {
        crops,
        cropValues: crops,
        weights: weights.decoder,
        holistic,
        states,
        logits,
        trail,
        words,
        settings,
      },
      uniforms: sizes,
      workgroups: [capacity, 1, 1],
    }),
  ];
  return {
    dispatches,
    capacity,
    regions,
    masks,
    maskWords,
    settings,
    words,
    crops,
    holistic,
    logits,
  };
}

/** Layout of a region in `regions`. */
export function regionLayout(): StructLayout {
  return roiShader({ types: { input: 'f32' }, constants }).layout('Region');
}

/** Layout of a run's settings in `settings`. */
export function settingsLayout(): StructLayout {
  return roiShader({ types: { input: 'f32' }, constants }).layout('Settings');
}

/**
 * Number of regions to read at once: as many as fit a quarter of the memory of the network's
 * largest map (128 channels at half the image's size), so that a spotter needs hardly more memory
 * than a detector; at least 16, and at most 256 (fewer with beam search), so that no dispatch comes
 * near the 2 seconds after which drivers reset a slow GPU.
 */
export function regionsAtOnce(
  image: Size,
  classes: number,
  { beam, length, forced }: DecodingPlan,
  precision: Precision = 'f32',
): number {
  const largestMap = (image.height * image.width * neckChannels * valueBytes[precision]) / 4;
  const perRegion =
    4 *
    (cropHeight * cropWidth * neckChannels +
      2 * beam * 4 * neckChannels +
      (forced ? length : beam) * classes);
  const mostByTime = Math.floor(256 / Math.max(1, beam / 4));
  return Math.max(16, Math.min(mostByTime, Math.floor(largestMap / 4 / perRegion)));
}
