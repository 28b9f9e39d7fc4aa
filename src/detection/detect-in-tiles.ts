// Finds the regions of an image that is too large for one run of the network. The GPU computes the
// map tile by tile, so its memory use doesn't depend on the image's size. The CPU then aggregates
// the whole map.
import { type AggregationInput, isSummable, planesOf } from '../aggregation/input.js';
import { aggregateSequential, sumLabelsSequential } from '../aggregation/sequential.js';
import { addTimes } from '../gpu/timeline.js';
import type { Size } from '../images/size.js';
import type { PartUploads } from '../images/upload.js';
import { mapChannels } from '../network/config.js';
import { regionsFromLabels } from '../shapes/regions.js';
import type { DetectedRegions } from './detect.js';
import type { MapPass } from './map-pass.js';
import { faultOf } from './pass.js';
import { type MapSettings, aggregationSettings } from './regions-from-map.js';
import type { Tile } from './tiles.js';

/** Computes the maps of tiles. */
type TileRunner = Pick<MapPass, 'map' | 'precision' | 'run'>;

/** An image in tiles. */
export interface TiledInput {
  readonly tiles: readonly Tile[];
  readonly uploads: Pick<PartUploads, 'upload'>;
  /** Size after resizing. */
  readonly size: Size;
  /** Size of the original image. */
  readonly original: Size;
}

/**
 * Finds the regions of an image in tiles.
 * @param signal checked before each tile
 * @returns timings in milliseconds, summed over the tiles; `aggregation` runs on the CPU
 * @throws PanppError `weights` if the network's map has NaN, infinity or too large vectors
 */
export async function detectInTiles(
  pass: TileRunner,
  { tiles, uploads, size, original }: TiledInput,
  settings: MapSettings,
  signal?: AbortSignal,
): Promise<{ detected: DetectedRegions; timings: Record<string, number> & { regions: number } }> {
  const map = new WholeMap(size, settings.scale, pass);
  const timings: Record<string, number> = {};
  const work = async (tile: Tile): Promise<void> => {
    const start = performance.now();
    const upload = uploads.upload(tile.area);
    addTimes(timings, { upload: performance.now() - start });
    const { values, gpuTimings } = await pass.run(upload);
    addTimes(timings, gpuTimings);
    map.paste(tile, values);
  };
  // While the GPU works on a tile, the next one's pixels are selected.
  let last = Promise.resolve();
  try {
    for (const tile of tiles) {
      signal?.throwIfAborted();
      const before = last;
      last = work(tile);
      last.catch(() => {}); // reported below
      await before;
    }
    await last;
  } finally {
    await last.catch(() => {});
  }
  const start = performance.now();
  const input: AggregationInput = { ...map.planes, ...aggregationSettings(settings) };
  const result = aggregateSequential(input);
  const sums = sumLabelsSequential(result, input, size.height, size.width);
  const aggregated = performance.now();
  const regions = regionsFromLabels({
    labels: result.labels,
    height: input.height,
    width: input.width,
    sums,
    settings,
    imageHeight: size.height,
    imageWidth: size.width,
    originalHeight: original.height,
    originalWidth: original.width,
  });
  return {
    detected: { regions, labels: result.labels },
    timings: {
      ...timings,
      aggregation: aggregated - start,
      regions: performance.now() - aggregated,
    },
  };
}

/** The map of an image, filled by its tiles. */
class WholeMap {
  readonly planes: ReturnType<typeof planesOf>;
  readonly #scale: number;
  readonly #pass: TileRunner;
  readonly #all: Float32Array;

  /** @param scale pixels of the resized image per map pixel, along each axis */
  constructor(size: Size, scale: number, pass: TileRunner) {
    const [height, width] = [size.height / scale, size.width / scale];
    const all = new Float32Array(mapChannels * height * width);
    this.planes = planesOf(all, height, width);
    this.#all = all;
    this.#scale = scale;
    this.#pass = pass;
  }

  /**
   * Copies a tile's own part of its map.
   * @param values the map of the tile's area, row by row with its channels interleaved
   */
  paste({ area, own }: Tile, values: Float32Array): void {
    const { height, width } = this.planes;
    const pixels = height * width;
    const { map, precision } = this.#pass;
    const inMap = (position: number) => position / this.#scale;
    for (let y = inMap(own.top); y < inMap(own.bottom); y++) {
      const row = (y - inMap(area.top)) * map.width;
      for (let x = inMap(own.left); x < inMap(own.right); x++) {
        const from = (row + x - inMap(area.left)) * map.channels;
        for (let channel = 0; channel < mapChannels; channel++) {
          const value = values[from + channel];
          if (!Number.isFinite(value)) throw faultOf('infinite', 'this image', precision);
          this.#all[channel * pixels + y * width + x] = value;
        }
        const pixel = y * width + x;
        if (this.planes.text[pixel] > 0 && !isSummable(this.planes, pixel))
          throw faultOf('vectors', 'this image', precision);
      }
    }
  }
}
