import { describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/context.js';
import { featureMap } from '../../src/layers/feature-map.js';
import { greedy, planRecognition, regionsAtOnce } from '../../src/recognition/plan.js';
import { packSettings } from '../../src/recognition/reader.js';
import {
  type Roi,
  type Rois,
  inRuns,
  packMasks,
  packRegions,
  pointOfPosition,
  roiOfLabel,
  roiOfShape,
} from '../../src/recognition/roi.js';
import type { Box, Polygon } from '../../src/shapes/geometry.js';
import { expectClose } from '../support/close.js';
import { describeOnGpus } from '../support/gpu.js';
import { randomPlanes, toPixels } from '../support/run-layer.js';
import { type Planes, planes, upsample } from '../support/twin.js';
import { runKernels } from './run-recognition.js';

/** A mask as rows of `#` and `.`. */
function drawn({ mask, maskBox }: Roi): string[] {
  const width = maskBox.right - maskBox.left;
  return Array.from({ length: maskBox.bottom - maskBox.top }, (_, row) =>
    Array.from({ length: width }, (_, column) => {
      const bit = row * width + column;
      return (mask[bit >> 5] >>> (bit & 31)) & 1 ? '#' : '.';
    }).join(''),
  );
}

function shape(points: Polygon | Box, image = { height: 20, width: 40 }, original = image): Roi {
  return roiOfShape(points, 'region 0', image, original);
}

describe('regions of a label map', () => {
  const labels = {
    labels: Int32Array.from([0, 0, 0, 0, 0, 1, 1, 2, 0, 1, 2, 2]),
    width: 4,
    scale: 4,
  };

  it('have their label’s pixels as a mask and a box that is a pixel larger', () => {
    const roi = roiOfLabel(
      labels,
      1,
      { left: 4, top: 4, right: 12, bottom: 12 },
      { height: 12, width: 16 },
    );
    expect(drawn(roi)).toEqual(['##', '#.']);
    expect(roi.maskBox).toEqual({ left: 1, top: 1, right: 3, bottom: 3 });
    expect(roi.crop).toEqual({ left: 3, top: 3, right: 13, bottom: 12 });
  });

  it('leave other labels in their box out', () => {
    const roi = roiOfLabel(
      labels,
      2,
      { left: 8, top: 4, right: 16, bottom: 12 },
      { height: 12, width: 16 },
    );
    expect(drawn(roi)).toEqual(['.#', '##']);
    expect(roi.crop).toEqual({ left: 7, top: 3, right: 16, bottom: 12 });
  });
});

describe('regions given as shapes', () => {
  it('hold the pixels of a polygon, its outline included', () => {
    expect(
      drawn(
        shape([
          [2, 1],
          [6, 1],
          [2, 5],
        ]),
      ),
    ).toEqual(['#####', '####.', '###..', '##...', '#....']);
  });

  it('follow the even-odd rule', () => {
    const ring: Polygon = [
      [0, 0],
      [6, 0],
      [6, 6],
      [0, 6],
      [0, 0],
      [2, 2],
      [2, 4],
      [4, 4],
      [4, 2],
      [2, 2],
    ];
    expect(drawn(shape(ring))[3]).toBe('###.###');
  });

  it('come to the resized image’s size', () => {
    const box: Box = { left: 1, top: 2, right: 3, bottom: 5 };
    const halved = shape(box, { height: 20, width: 40 }, { height: 40, width: 80 });
    expect(halved.maskBox).toEqual({ left: 0, top: 1, right: 2, bottom: 3 });
    expect(drawn(halved)).toEqual(['##', '##']);
    const tripled = shape(
      [
        [1, 1],
        [2, 1],
      ],
      { height: 30, width: 60 },
      { height: 10, width: 20 },
    );
    expect(tripled.maskBox).toEqual({ left: 3, top: 3, right: 7, bottom: 4 });
    expect(drawn(tripled)).toEqual(['####']);
  });

  it('may be smaller than a pixel, a line, or far outside at one end', () => {
    expect(
      drawn(
        shape([
          [3.2, 4.1],
          [3.4, 4.1],
          [3.3, 4.3],
        ]),
      ),
    ).toEqual(['#']);
    expect(
      drawn(
        shape([
          [2, 3],
          [5, 6],
        ]),
      ),
    ).toEqual(['#...', '.#..', '..#.', '...#']);
    const far = shape([
      [-1e9, 5],
      [1e9, 5],
      [1e9, 6],
      [-1e9, 6],
    ]);
    expect(far.maskBox).toEqual({ left: 0, top: 5, right: 40, bottom: 7 });
    expect(new Set(drawn(far))).toEqual(new Set(['#'.repeat(40)]));
  });

  it.each([
    [[[1, 1]] as Polygon, /region 0 is invalid/],
    [[] as Polygon, /region 0 is invalid/],
    ...[null, 7, [1, 1, 9, 9], [null, null], [[[5, 5, 9, 9]]], [[1], [2], [3]], { x: 1, y: 1 }].map(
      (odd) => [odd as unknown as Polygon, /region 0 is invalid/] as [Polygon, RegExp],
    ),
    [[[5, 5, 60, 20]] as unknown as Polygon, /region 0 is invalid/],
    [
      [
        [1, 1],
        [NaN, 2],
        [3, 3],
      ] as Polygon,
      /region 0 is invalid: .* finite coordinates/,
    ],
    [{ left: 0, top: 0, right: Infinity, bottom: 3 }, /region 0 is invalid/],
    [
      [
        [50, 1],
        [60, 1],
        [60, 9],
      ] as Polygon,
      /region 0 covers nothing of the image of 40 × 20 pixels/,
    ],
    [{ left: 5, top: 5, right: 5, bottom: 9 }, /region 0 covers nothing/],
  ])('are refused in one line where they are none: %o', (points, message) => {
    expect(() => shape(points)).toThrow(message);
    expect(() => shape(points)).toThrow(expect.objectContaining({ code: 'argument' }));
  });
});

describe('runs of regions', () => {
  const roi = (words: number): Roi => ({
    ...shape({ left: 0, top: 0, right: 1, bottom: 1 }),
    mask: new Uint32Array(words),
  });

  it('hold no more regions and mask words than fit, in order', () => {
    const rois = [1, 1, 1, 5, 5, 2, 9].map(roi);
    expect([...inRuns(rois, 3, 10)].map((run) => run.map(({ mask }) => mask.length))).toEqual([
      [1, 1, 1],
      [5, 5],
      [2],
      [9],
    ]);
    expect([...inRuns([], 3, 10)]).toEqual([]);
  });

  it('place each mask behind the one before', () => {
    const packed = new Uint32Array(packRegions([roi(3), roi(2), roi(1)]).buffer);
    expect([8, 17, 26].map((at) => packed[at])).toEqual([0, 3, 5]);
    expect(packMasks([roi(3), roi(2), roi(1)])).toHaveLength(6);
  });

  it('are of 16 to 256 regions, by the image’s size and the beam', () => {
    expect(regionsAtOnce({ height: 64, width: 64 }, 39, greedy)).toBe(16);
    expect(regionsAtOnce({ height: 736, width: 1312 }, 39, greedy)).toBe(228);
    expect(regionsAtOnce({ height: 736, width: 1312 }, 6626, { ...greedy, beam: 10 })).toBeLessThan(
      80,
    );
    expect(regionsAtOnce({ height: 4096, width: 4096 }, 39, greedy)).toBe(256);
    expect(regionsAtOnce({ height: 4096, width: 4096 }, 39, { ...greedy, beam: 16 })).toBe(64);
  });
});

describe('positions of attention', () => {
  it('are the middles of the crop’s parts, in pixels of the original image', () => {
    const lying: Roi = {
      ...shape([
        [0, 0],
        [1, 1],
      ]),
      crop: { left: 10, top: 4, right: 42, bottom: 12 },
    };
    const half = [
      { height: 20, width: 50 },
      { height: 40, width: 100 },
    ] as const;
    expect(pointOfPosition(lying, 0, ...half)).toEqual([20, 8]);
    expect(pointOfPosition(lying, 33, ...half)).toEqual([22, 10]);
    const upright: Roi = { ...lying, crop: { left: 4, top: 10, right: 12, bottom: 42 } };
    expect(pointOfPosition(upright, 33, ...half)).toEqual([10, 22]);
  });
});

/**
 * The masked RoI with everything made: the map at the image's size, masked, cropped, turned,
 * resized.
 */
function roiTwin(
  features: Planes,
  { crop, maskBox, mask }: Roi,
  maskScale: number,
  image: Planes,
): Planes {
  const isMasked = (y: number, x: number) => {
    const row = Math.floor(y / maskScale) - maskBox.top;
    const column = Math.floor(x / maskScale) - maskBox.left;
    if (
      row < 0 ||
      column < 0 ||
      row >= maskBox.bottom - maskBox.top ||
      column >= maskBox.right - maskBox.left
    )
      return false;
    const bit = row * (maskBox.right - maskBox.left) + column;
    return ((mask[bit >> 5] >>> (bit & 31)) & 1) === 1;
  };
  const [height, width] = [crop.bottom - crop.top, crop.right - crop.left];
  const isUpright = height > 1.5 * width;
  const cropped = isUpright
    ? planes(features.channels, width, height)
    : planes(features.channels, height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let near = false;
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++)
          near ||= isMasked(crop.top + row, crop.left + column);
      }
      if (!near) continue;
      for (let channel = 0; channel < features.channels; channel++) {
        const to = channel * height * width + (isUpright ? x * height + y : y * width + x);
        cropped.data[to] =
          image.data[(channel * image.height + crop.top + y) * image.width + crop.left + x];
      }
    }
  }
  return upsample(cropped, 8, 32);
}

async function maskedRoi(
  gpu: Gpu,
  features: Planes,
  { rois, maskScale }: Rois,
  image: { height: number; width: number },
): Promise<Planes[]> {
  const map = featureMap('features', features.height, features.width, 128);
  const unused = { encoder: {} as GPUBuffer, decoder: {} as GPUBuffer, classes: 39 };
  const plan = planRecognition(map, image, unused, greedy, rois.length + 2);
  const [crops] = await runKernels(gpu, {
    dispatches: plan.dispatches.filter(({ label }) => label === 'recognition.masked_roi'),
    writes: [
      [map.slot, toPixels(features)],
      [plan.regions, packRegions(rois)],
      [plan.masks, packMasks(rois)],
      [plan.settings, packSettings(rois.length, maskScale)],
    ],
    reads: [[plan.crops, rois.length * 256 * 128 * 4]],
  });
  const values = new Float32Array(crops);
  return rois.map((_, index) => {
    const data = new Float32Array(128 * 256);
    data.forEach(
      (_, at) => (data[at] = values[(index * 256 + (at % 256)) * 128 + Math.floor(at / 256)]),
    );
    return planes(128, 8, 32, data);
  });
}

describeOnGpus('masked RoI', (gpu) => {
  const size = { height: 64, width: 96 };
  const features = randomPlanes(128, 16, 24, 5);
  const image = upsample(features, size.height, size.width);

  async function compare(rois: Rois): Promise<void> {
    const crops = await maskedRoi(gpu, features, rois, size);
    crops.forEach((crop, index) => {
      expectClose(
        crop.data,
        roiTwin(features, rois.rois[index], rois.maskScale, image).data,
        1e-6,
        `region ${index}`,
      );
    });
  }

  it('equals the twin for polygons and boxes: lying, upright, at the borders, of one pixel, all of the image', async () => {
    const shapes: (Polygon | Box)[] = [
      [
        [10, 10],
        [50, 14],
        [48, 24],
        [9, 20],
      ],
      [
        [70, 5],
        [80, 8],
        [72, 60],
        [64, 58],
      ],
      { left: 0, top: 0, right: 20, bottom: 9 },
      { left: 90, top: 40, right: 96, bottom: 64 },
      { left: 33, top: 33, right: 34, bottom: 34 },
      { left: 0, top: 0, right: 96, bottom: 64 },
      // Exactly 1.5 times as high as wide with its margin: not turned.
      { left: 41, top: 11, right: 47, bottom: 21 },
      [
        [5, 40],
        [60, 62],
        [58, 30],
      ],
    ];
    await compare({ rois: shapes.map((one) => shape(one, size)), maskScale: 1 });
  });

  it.each([1, 2, 4])('equals the twin for labels at 1/%i of the image', async (scale) => {
    const [height, width] = [size.height / scale, size.width / scale];
    const labels = new Int32Array(height * width);
    // Two interlocking wedges and a bar.
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (y < height / 2 && x < width / 2) labels[y * width + x] = x * height > y * width ? 1 : 2;
        if (x === width - 1) labels[y * width + x] = 3;
      }
    }
    const boxes = [
      { left: scale, top: 0, right: size.width / 2, bottom: size.height / 2 },
      { left: 0, top: 0, right: size.width / 2, bottom: size.height / 2 },
      { left: size.width - scale, top: 0, right: size.width, bottom: size.height },
    ];
    const rois = boxes.map((box, index) =>
      roiOfLabel({ labels, width, scale }, index + 1, box, size),
    );
    await compare({ rois, maskScale: scale });
  });
});
