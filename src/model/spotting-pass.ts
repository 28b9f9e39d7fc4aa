// Detection followed by recognition: regions and their text.
import { type DetectedRegions, detectRegions } from '../detection/detect.js';
import { DetectionPass, planDetection } from '../detection/pass.js';
import type { MapSettings } from '../detection/regions-from-map.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import type { ImageInput } from '../images/input.js';
import type { Size } from '../images/size.js';
import { Reader, planReader } from '../recognition/reader.js';
import {
  type LocatedWord,
  type ReadOptions,
  type ReadingSetup,
  type TextReading,
  correctAll,
  type correctionOf,
  readingOf,
} from '../recognition/reading.js';
import { type Roi, type Rois, roiOfLabel } from '../recognition/roi.js';
import type { Region } from '../shapes/regions.js';

/** A region with its text. */
export interface SpottedRegion extends Region, TextReading {}

/** Detection and recognition of one image, for one source size and one network input size. */
export class SpottingPass {
  readonly #detection: DetectionPass;
  readonly #reader: Reader;

  private constructor(detection: DetectionPass, reader: Reader) {
    this.#detection = detection;
    this.#reader = reader;
  }

  static async create(
    gpu: Gpu,
    { config, weights, head, decoding }: ReadingSetup,
    { upload, size }: ImageInput,
  ): Promise<SpottingPass> {
    const detection = planDetection(config, weights, upload, size, gpu.profile);
    const reading = planReader(detection.network, weights, head.weights, size, decoding);
    const stages = [...detection.stages, ...reading.stages];
    const program = await Program.create(
      gpu,
      stages,
      [...detection.pinned, ...reading.pinned],
      reading.kept,
    );
    const pass = await DetectionPass.with(gpu, detection, program);
    const reader = new Reader(gpu, reading.recognition, program, head.vocabulary);
    return new SpottingPass(pass, reader);
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#detection.memory;
  }

  /** Finds the regions of an image. */
  async detect(
    input: ImageInput,
    settings: MapSettings,
  ): Promise<{
    regions: readonly Region[];
    rois: Rois;
    timings: Readonly<Record<string, number>> & { readonly regions: number };
  }> {
    const { detected, timings } = await detectRegions(this.#detection, [input], settings);
    const maskScale = input.size.height / this.#detection.mapSize.height;
    const rois = roisOfRegions(detected[0], input.size, maskScale);
    return { regions: detected[0].regions, rois: { rois, maskScale }, timings };
  }

  /** Reads regions of the image that `detect` was called with last. */
  read(rois: Rois): ReturnType<Reader['read']> {
    return this.#reader.read(rois);
  }

  dispose(): void {
    this.#reader.dispose();
    this.#detection.dispose();
  }
}

/** Converts detected regions to RoIs. @param scale pixels of the resized image per map pixel */
export function roisOfRegions(
  { regions, labels }: DetectedRegions,
  size: Size,
  scale: number,
): Roi[] {
  const width = size.width / scale;
  return regions.map(({ label, mapBox }) =>
    roiOfLabel({ labels, width, scale }, label, mapBox, size),
  );
}

/** The regions with their words; those that the correction drops are left out. */
export function spottedRegions(
  regions: readonly Region[],
  words: readonly LocatedWord[],
  options: ReadOptions & ReturnType<typeof correctionOf>,
): SpottedRegion[] {
  const spotted = regions.map((region, index) => ({
    ...region,
    ...readingOf(words[index], options),
  }));
  return correctAll(spotted, options);
}
