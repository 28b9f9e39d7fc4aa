// Finds and reads text in images that are too large for one run of the network: detection in
// tiles, recognition in windows that hold whole regions.
import { detectInTiles } from '../detection/detect-in-tiles.js';
import { largestSquare } from '../detection/largest-image.js';
import { MapPass } from '../detection/map-pass.js';
import {
  type Tile,
  defaultTileSide,
  longestTileSide,
  planTiles,
  tileMargin,
} from '../detection/tiles.js';
import type { Gpu } from '../gpu/context.js';
import { addTimes } from '../gpu/timeline.js';
import { type Size, mostPixels, resizedSize } from '../images/size.js';
import { type Part, PartUploads, type PixelSource } from '../images/upload.js';
import type { DetectionSettings, ModelConfig } from '../network/config.js';
import type { NetworkWeights } from '../network/weights.js';
import { RecognitionPass } from '../recognition/pass.js';
import {
  type ReadOptions,
  type ReadingSetup,
  type correctionOf,
  readingOf,
} from '../recognition/reading.js';
import { type Rois, roisOfShapes } from '../recognition/roi.js';
import { planWindows, readInWindows, windowSize } from '../recognition/windows.js';
import { type Word, unread } from '../recognition/words.js';
import type { Box, Polygon } from '../shapes/geometry.js';
import type { Region } from '../shapes/regions.js';
import type {
  BatchDetection,
  CallOptions,
  DetectOptions,
  DetectionTimings,
  Recognition,
  Spotting,
} from './options.js';
import { type PassCache, type PassShelf, sourceKey } from './pass-cache.js';
import type { RegionReader } from './region-reader.js';
import { roisOfRegions, spottedRegions } from './spotting-pass.js';

type Settings = DetectionSettings & DetectOptions;
type Timings = Record<string, number> & Pick<DetectionTimings, 'upload' | 'setup' | 'regions'>;

/** The tiles of an image. */
export interface Tiling {
  /** The image's size after resizing. */
  readonly size: Size;
  /** One if the image is processed whole. */
  readonly tiles: readonly Tile[];
  /** Maximum length of a tile's sides. */
  readonly side: number;
}

export class TiledImages {
  readonly #gpu: Gpu;
  readonly #weights: NetworkWeights;
  readonly #maps: PassShelf<MapPass>;
  readonly #recognitions: PassShelf<RecognitionPass>;
  readonly #regionReader: RegionReader;
  /** Sides of the largest square images that are processed whole, by scale. */
  readonly #largestSquares = new Map<number, number>();

  /** @param passes keeps the passes of recent sizes */
  constructor(gpu: Gpu, weights: NetworkWeights, passes: PassCache, regionReader: RegionReader) {
    this.#gpu = gpu;
    this.#weights = weights;
    this.#maps = passes.shelf();
    this.#recognitions = passes.shelf();
    this.#regionReader = regionReader;
  }

  /** @throws PanppError `argument` or `image` for settings or a size out of range */
  tilingOf({ height, width }: PixelSource, config: ModelConfig, settings: Settings): Tiling {
    const size = resizedSize(height, width, settings, mostPixels(settings.scale));
    const wished = settings.tileSide ?? defaultTileSide(size, () => this.#largestSquare(config));
    const side = longestTileSide(size, wished);
    return { size, tiles: planTiles(size, side), side };
  }

  /** Processes the images of a batch one after another. */
  async detect(
    images: readonly PixelSource[],
    tiling: Tiling,
    config: ModelConfig,
    settings: Settings,
  ): Promise<BatchDetection> {
    const start = performance.now();
    const [{ height, width }] = images;
    const regions: Region[][] = [];
    const sums: Timings = { upload: 0, setup: 0, regions: 0 };
    for (const image of images) {
      const { detected, timings } = await this.#detectOne(image, tiling, config, settings);
      regions.push(detected.regions);
      addTimes(sums, timings);
    }
    return { regions, width, height, timings: { ...sums, total: performance.now() - start } };
  }

  /**
   * Finds the regions, then reads each in a window that holds all of it; one that is longer than a
   * tile may be is only read rectified, if at all.
   */
  async spot(
    image: PixelSource,
    tiling: Tiling,
    setup: ReadingSetup,
    settings: Settings,
    options: ReadOptions & ReturnType<typeof correctionOf>,
  ): Promise<Spotting> {
    const start = performance.now();
    const { scale, signal } = settings;
    const { size } = tiling;
    const { detected, timings } = await this.#detectOne(image, tiling, setup.config, settings);
    const rois = roisOfRegions(detected, size, scale);
    const { width, height } = image;
    const read = await this.#regionReader.read(
      { rois, maskScale: scale },
      { image, size, setup, options: { ...options, signal } },
      (each) => this.#read(image, tiling, setup, each, windowsOf(each, tiling), signal),
    );
    const { reading, ...more } = read.timings;
    addTimes(timings, more);
    return {
      regions: spottedRegions(detected.regions, read.words, options),
      width,
      height,
      timings: { ...timings, reading, total: performance.now() - start },
    };
  }

  /**
   * Reads given regions, each in a window that holds all of it.
   * @throws PanppError `argument` for one that is longer than a tile may be
   */
  async recognize(
    image: PixelSource,
    tiling: Tiling,
    setup: ReadingSetup,
    regions: readonly (Polygon | Box)[],
    options: ReadOptions & CallOptions,
  ): Promise<Recognition> {
    const start = performance.now();
    const { width, height } = image;
    const sizes = { size: tiling.size, original: { width, height } };
    const timings = { upload: 0, setup: 0 };
    const rois = { rois: roisOfShapes(regions, sizes), maskScale: 1 };
    const windows = windowsOf(rois, tiling);
    if (windows.faults.length > 0) throw windows.faults[0];
    const read = await this.#regionReader.read(
      rois,
      { image, size: tiling.size, setup, options },
      (each) => this.#read(image, tiling, setup, each, windows, options.signal),
    );
    return {
      words: read.words.map((word) => readingOf(word, options)),
      width,
      height,
      timings: { ...timings, ...read.timings, total: performance.now() - start },
    };
  }

  async #detectOne(
    image: PixelSource,
    { size, tiles }: Tiling,
    config: ModelConfig,
    settings: Settings,
  ) {
    const start = performance.now();
    const areas = tiles.map(({ area }) => area);
    const uploads = new PartUploads(image, size, areas);
    const tile = sizeOfPart(areas[0]);
    const prepared = performance.now();
    const kept = await this.#maps.find([settings.scale, ...sourceKey(uploads, tile)].join(), () =>
      MapPass.create(this.#gpu, config, this.#weights, uploads, tile),
    );
    const ready = performance.now();
    const original = { height: image.height, width: image.width };
    const input = { tiles, uploads, size, original };
    const working = detectInTiles(kept.pass, input, settings, settings.signal);
    kept.holdFor(working);
    const { detected, timings: own } = await working;
    const timings: Timings = {
      ...own,
      upload: own.upload + prepared - start,
      setup: ready - prepared,
    };
    return { detected, timings };
  }

  async #read(
    image: PixelSource,
    { size }: Tiling,
    setup: ReadingSetup,
    rois: Rois,
    { windows, window }: ReturnType<typeof windowsOf>,
    signal?: AbortSignal,
  ): Promise<{ words: Word[]; timings: Record<'upload' | 'setup', number> }> {
    const start = performance.now();
    if (windows.length === 0)
      return { words: rois.rois.map(() => unread), timings: { upload: 0, setup: 0 } };
    const uploads = new PartUploads(
      image,
      size,
      windows.map(({ area }) => area),
    );
    const prepared = performance.now();
    const kept = await this.#recognitions.find(
      [setup.decoding.beam, ...sourceKey(uploads, window)].join(),
      () => RecognitionPass.create(this.#gpu, setup, { upload: uploads, size: window }),
    );
    const ready = performance.now();
    const working = readInWindows(kept.pass, windows, (area) => uploads.upload(area), rois, signal);
    kept.holdFor(working);
    const { words, timings } = await working;
    return {
      words,
      timings: {
        ...timings,
        upload: timings.upload + prepared - start,
        setup: ready - prepared,
      },
    };
  }

  /** Side of the largest square image that is processed whole at a configuration's scale. */
  #largestSquare(config: ModelConfig): number {
    const { scale } = config.detection;
    let side = this.#largestSquares.get(scale);
    if (side === undefined) {
      side = largestSquare(config, this.#weights.precision, this.#gpu.profile);
      this.#largestSquares.set(scale, side);
    }
    return side;
  }
}

/** The windows to read regions in, their size, and an error for each region that fits none. */
function windowsOf({ rois }: Rois, { size, tiles, side }: Tiling) {
  const crops = rois.map(({ crop }) => crop);
  const window = windowSize(crops, size, sizeOfPart(tiles[0].area), side);
  return { ...planWindows(crops, size, window, tileMargin), window };
}

function sizeOfPart({ top, bottom, left, right }: Part): Size {
  return { height: bottom - top, width: right - left };
}
