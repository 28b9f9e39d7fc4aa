import { describe, expect, it } from 'vitest';
import { aggregateSequential, sumLabelsSequential } from '../../src/aggregation/sequential.js';
import { detectInTiles } from '../../src/detection/detect-in-tiles.js';
import { defaultTileSide, longestTileSide, planTiles } from '../../src/detection/tiles.js';
import { DEFAULT_MAX_PIXELS } from '../../src/images/size.js';
import type { ImageUpload, Part } from '../../src/images/upload.js';
import { featureMap } from '../../src/layers/feature-map.js';
import { mapChannels } from '../../src/network/config.js';
import { regionsFromLabels } from '../../src/shapes/regions.js';

const sizeOf = ({ top, bottom, left, right }: Part) => [bottom - top, right - left];

describe('tiles', () => {
  it('are one for an image that is not larger, of any side', () => {
    const size = { height: 736, width: 1312 };
    const whole = { top: 0, bottom: 736, left: 0, right: 1312 };
    expect(planTiles(size, 1312)).toEqual([{ area: whole, own: whole }]);
    expect(planTiles(size, 1311).length).toBeGreaterThan(1);
  });

  it('have seams in the middle of overlaps of two margins', () => {
    const tiles = planTiles({ height: 32, width: 160 }, 96, 32);
    expect(tiles.map(({ area, own }) => [area.left, area.right, own.left, own.right])).toEqual([
      [0, 96, 0, 64],
      [32, 128, 64, 96],
      [64, 160, 96, 160],
    ]);
  });

  it.each([
    [736, 41920, 2048, 256], // 253 × 14 400
    [736, 36800, 2048, 256], // 20 000 × 400
    [8192, 10944, 2048, 256], // 12 000 × 9 000 at a short side of 8192
    [1024, 1056, 1024, 256],
    [1088, 1120, 100, 32],
    [32, 4096, 96, 32],
  ])('of %i × %i at %i with margins of %i share out the image', (height, width, side, margin) => {
    const tiles = planTiles({ height, width }, side, margin);
    const taken = new Uint8Array((height / 4) * (width / 4));
    for (const { area, own } of tiles) {
      expect(sizeOf(area)).toEqual(sizeOf(tiles[0].area));
      expect(Math.max(...sizeOf(area))).toBeLessThanOrEqual(side);
      expect(Object.values(area).every((position) => position % 32 === 0)).toBe(true);
      expect(Object.values(own).every((position) => position % 4 === 0)).toBe(true);
      for (const edge of ['top', 'left'] as const)
        expect(own[edge] - area[edge]).toBeGreaterThanOrEqual(area[edge] === 0 ? 0 : margin);
      for (const [edge, end] of [
        ['bottom', height],
        ['right', width],
      ] as const)
        expect(area[edge] - own[edge]).toBeGreaterThanOrEqual(area[edge] === end ? 0 : margin);
      for (let y = own.top / 4; y < own.bottom / 4; y++)
        for (let x = own.left / 4; x < own.right / 4; x++) taken[y * (width / 4) + x]++;
    }
    expect(taken.every((count) => count === 1)).toBe(true);
  });

  it.each([0, 767, 800.5, NaN, '1024'])('of side %s are refused', (side) => {
    expect(() => planTiles({ height: 64, width: 64 }, side as number)).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: `tileSide is ${typeof side === 'string' ? `"${side}"` : side}; it must be a whole number of at least 768`,
      }),
    );
  });

  it('are made where an image does not fit, of 2048 pixels or what fits', () => {
    const sideOf = (height: number, width: number, largest: number) =>
      defaultTileSide({ height, width }, () => largest);
    expect(sideOf(1024, 1024, 0)).toBe(2048); // not asked
    expect(sideOf(736, 5696, 2048)).toBe(5696); // 4.19 megapixels
    expect(sideOf(2048, 2048, 1440)).toBe(1440);
    expect(sideOf(4096, 4096, 4096)).toBe(4096);
    expect(sideOf(736, 20000, 4096)).toBe(20000);
    expect(sideOf(4096, 4128, 4096)).toBe(2048);
    expect(sideOf(736, 41920, 1024)).toBe(1024);
    // Bands of such strips would not fit, though the strips have few pixels.
    expect(sideOf(128, 16384, 2048)).toBe(16384);
    expect(sideOf(32, 32768, 1440)).toBe(1440);
    expect(sideOf(43680, 96, 4096)).toBe(2048);
  });

  it.each([
    [4096, 4096, 4097, 4097, 1],
    [736, 20000, 8192, 8192, 3], // 14.7 megapixels
    [736, 20000, 1_000_000, 1_000_000, 1],
    // More than 2²⁴ pixels.
    [4096, 4128, 4097, 4096, 2],
    [736, 41920, 1_000_000, 4096, 12],
    [736, 41920, 2048, 2048, 27],
  ])('of %i × %i at %i have sides of at most %i', (height, width, wished, side, count) => {
    expect(longestTileSide({ height, width }, wished)).toBe(side);
    const tiles = planTiles({ height, width }, side);
    expect(tiles).toHaveLength(count);
    const [rows, columns] = sizeOf(tiles[0].area);
    expect(rows * columns).toBeLessThanOrEqual(DEFAULT_MAX_PIXELS);
  });
});

describe('an image in tiles', () => {
  const size = { height: 192, width: 320 };
  const [height, width] = [size.height / 4, size.width / 4];
  const settings = {
    minScore: 0.5,
    minArea: 0,
    minKernelArea: 0,
    scale: 4,
    tolerance: undefined,
    bbox: 'poly',
  } as const;
  const { text, kernel, embedding } = lines(height, width);
  const planes = [text, kernel, ...[0, 1, 2, 3].map((axis) => vectorPlane(embedding, axis))];

  // Gives every tile its part of one map, and noise where the tile's edges would spoil it.
  const tiles = planTiles(size, 128, 32);
  const [tileHeight, tileWidth] = sizeOf(tiles[0].area).map((side) => side / 4);
  const runner = (spoil?: number, value = NaN) => ({
    map: featureMap('map', tileHeight, tileWidth, 8),
    precision: 'f32' as const,
    run: async (upload: ImageUpload) => {
      const { area, own } = tiles[upload.rows];
      const values = new Float32Array(tileHeight * tileWidth * 8);
      for (let y = 0; y < tileHeight; y++) {
        for (let x = 0; x < tileWidth; x++) {
          const [row, column] = [y + area.top / 4, x + area.left / 4];
          const isOwn =
            row >= own.top / 4 &&
            row < own.bottom / 4 &&
            column >= own.left / 4 &&
            column < own.right / 4;
          for (let channel = 0; channel < mapChannels; channel++)
            values[(y * tileWidth + x) * 8 + channel] = isOwn
              ? planes[channel][row * width + column]
              : 5;
          if (isOwn && upload.rows === spoil) values[(y * tileWidth + x) * 8 + 3] = value;
        }
      }
      return { values, gpuTimings: { network: 2 } };
    },
  });
  const input = {
    tiles,
    size,
    original: size,
    uploads: {
      upload: (part: Part) =>
        ({ rows: tiles.findIndex(({ area }) => area === part) }) as unknown as ImageUpload,
    },
  };

  it('has the regions of its map, each once, however many seams they cross', async () => {
    const aggregation = { text, kernel, embedding, height, width };
    const result = aggregateSequential({
      ...aggregation,
      minKernelArea: 0,
      mode: 'reference',
      distance: 3,
    });
    const expected = regionsFromLabels({
      labels: result.labels,
      sums: sumLabelsSequential(result, aggregation, size.height, size.width),
      height,
      width,
      settings,
      imageHeight: size.height,
      imageWidth: size.width,
      originalHeight: size.height,
      originalWidth: size.width,
    });
    expect(tiles.length).toBeGreaterThan(6);
    expect(expected.length).toBe(6);
    expect(Math.max(...expected.map(({ box }) => box.right - box.left))).toBeGreaterThan(256);
    const { detected, timings } = await detectInTiles(runner(), input, settings);
    expect(detected).toEqual({ regions: expected, labels: result.labels });
    expect(timings.network).toBe(2 * tiles.length);
  });

  it('refuses a map that is no number in one tile', async () => {
    await expect(detectInTiles(runner(4), input, settings)).rejects.toMatchObject({
      code: 'weights',
      message: expect.stringMatching(/^the network gives NaN or infinity for this image: /),
    });
    await expect(detectInTiles(runner(4, 1e6), input, settings)).rejects.toMatchObject({
      code: 'weights',
      message: expect.stringMatching(/^the network gives instance vectors that are too large/),
    });
  });

  it('stops between tiles when aborted', async () => {
    const abort = new AbortController();
    let runs = 0;
    const counting = {
      ...runner(),
      run: async (upload: ImageUpload) => {
        if (++runs === 2) abort.abort(new Error('enough'));
        return runner().run(upload);
      },
    };
    await expect(detectInTiles(counting, input, settings, abort.signal)).rejects.toThrow('enough');
    expect(runs).toBeLessThan(4);
  });
});

/** A map of lines of text across the whole width, some broken: 6 regions. */
function lines(height: number, width: number) {
  const [text, kernel] = [new Float32Array(height * width), new Float32Array(height * width)];
  const next = (at: number) => Math.abs(Math.sin(at));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inLine = y % 16 >= 4 && y % 16 < 12;
      const isGap = Math.floor(y / 16) === 1 ? x % 20 < 3 : x < 2 || x > width - 3;
      text[y * width + x] = (inLine && !isGap ? 1 : -1) * (1 + next(y * width + x));
      kernel[y * width + x] = y % 16 >= 7 && y % 16 < 9 && !isGap ? 1 : -1;
    }
  }
  return { text, kernel, embedding: new Float32Array(4 * height * width).map((_, at) => next(at)) };
}

function vectorPlane(embedding: Float32Array, axis: number): Float32Array {
  const pixels = embedding.length / 4;
  return embedding.subarray(axis * pixels, (axis + 1) * pixels);
}
