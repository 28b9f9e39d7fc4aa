// Detection followed by recognition: regions and their text.
import { detectRegions } from '../detection/detect.js';
import { DetectionPass, planDetection } from '../detection/pass.js';
import type { MapSettings } from '../detection/regions-from-map.js';
import type { Gpu } from '../gpu/context.js';
import { Program } from '../gpu/program.js';
import type { ImageInput } from '../images/input.js';
import { Reader, planReader } from '../recognition/reader.js';
import {
  type ReadOptions,
  type ReadingSetup,
  type TextReading,
  correctAll,
  type correctionOf,
  readingOf,
} from '../recognition/reading.js';
import { roiOfLabel } from '../recognition/roi.js';
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
    const reader = new Reader(gpu, reading.recognition, program, head.vocabulary);
    return new SpottingPass(new DetectionPass(gpu, detection, program), reader);
  }

  get memory(): { bytes: number; liveBytes: number } {
    return this.#detection.memory;
  }

  /** Finds and reads the regions of an image; regions dropped by the correction are left out. */
  async spot(
    input: ImageInput,
    settings: MapSettings,
    options: ReadOptions & ReturnType<typeof correctionOf>,
  ): Promise<{
    regions: SpottedRegion[];
    timings: Record<string, number> & { regions: number; reading: number };
  }> {
    const { detected, timings } = await detectRegions(this.#detection, [input], settings);
    const [{ regions, labels }] = detected;
    const start = performance.now();
    const { width, height } = this.#detection.mapSize;
    const maskScale = input.size.height / height;
    const rois = regions.map(({ label, mapBox }) =>
      roiOfLabel({ labels, width, scale: maskScale }, label, mapBox, input.size),
    );
    const { words, gpuTimings } = await this.#reader.read({ rois, maskScale }, ['features']);
    const spotted = regions.map((region, index) => ({
      ...region,
      ...readingOf(words[index], rois[index], input, options),
    }));
    return {
      regions: correctAll(spotted, options),
      timings: { ...timings, ...gpuTimings, reading: performance.now() - start },
    };
  }

  dispose(): void {
    this.#reader.dispose();
    this.#detection.dispose();
  }
}
