// The calls of the soak: pictures of many sizes, all methods of a model, changing options.
import { createHash } from 'node:crypto';
import type { PixelImage } from '../../src/images/image.js';
import type { Model } from '../../src/model/model.js';
import { photographAt } from '../photograph.js';
import type { Size } from '../sizes.js';

/** A call whose result does not depend on when it is made. */
export interface SoakCall {
  readonly name: string;
  /** How many images it processes. */
  readonly images: number;
  /** Makes the call and returns its result without the timings. */
  readonly make: (model: Model) => Promise<unknown>;
}

/** Small sides are more frequent, so that a software adapter gets through many images. */
const sides = [32, 40, 48, 56, 64, 32, 72, 45, 96, 33, 128, 50] as const;
const sizeCount = 36;

/** 36 different sizes between 32 × 32 and 128 × 96 pixels. */
export function soakSizes(): Size[] {
  const sizes = new Map<string, Size>();
  for (let step = 0; sizes.size < sizeCount; step++) {
    const height = sides[step % sides.length];
    const width = sides[(step * 7 + Math.floor(step / sides.length)) % sides.length];
    if (height * width <= 128 * 96) sizes.set(`${height} ${width}`, { height, width });
  }
  return [...sizes.values()];
}

const kinds: readonly ((image: PixelImage, shortSide: number) => Omit<SoakCall, 'name'>)[] = [
  (image, shortSide) => one((model) => model.detect(image, { shortSide })),
  (image, shortSide) =>
    one((model) => model.detect(image, { shortSide, scale: 2, bbox: 'poly', tolerance: 1 })),
  (image, shortSide) => one((model) => model.spot(image, { shortSide, characters: true })),
  (image, shortSide) => ({
    images: 2,
    make: async (model) =>
      withoutTimings(await model.detectBatch([image, image], { shortSide, minScore: 0.3 })),
  }),
  (image, shortSide) =>
    one((model) => model.spot(image, { shortSide, beam: 4, lexicon: ['CAFE', 'BREAD', 'OPEN'] })),
  (image, shortSide) =>
    one((model) => model.detect(image, { shortSide, mode: 'always', distance: 1, scale: 1 })),
  (image, shortSide) => {
    const box = { left: 2, top: 2, right: image.width - 2, bottom: image.height - 2 };
    return one((model) => model.recognize(image, [box, box], { shortSide }));
  },
  (image, shortSide) => ({
    images: 1,
    make: async (model) => {
      const maps = await model.forward(image, { shortSide, outputs: ['det', 'ffm.f1'] });
      return [...maps].map(([name, { shape, data }]) => [name, shape, digestOf(data)]);
    },
  }),
  // What fails must free what it took, too.
  (image, shortSide) => ({
    images: 1,
    make: async (model) => {
      const outside = { left: 9000, top: 0, right: 9009, bottom: 9 };
      return model.recognize(image, [outside], { shortSide }).catch(String);
    },
  }),
  (image, shortSide) => ({
    images: 3,
    make: async (model) => {
      const found = [];
      for await (const { regions } of model.detectAll([image, image, image], { shortSide }))
        found.push(regions);
      return found;
    },
  }),
];

/** One call of each kind for some of the sizes, 72 in all. */
export async function soakCalls(): Promise<SoakCall[]> {
  const sizes = soakSizes();
  const calls: SoakCall[] = [];
  for (let index = 0; index < 2 * sizes.length; index++) {
    const size = sizes[index % sizes.length];
    const image = await photographAt(size);
    const kind = (index + Math.floor(index / sizes.length) * 3) % kinds.length;
    calls.push({
      name: `${size.width} × ${size.height}, kind ${kind}`,
      ...kinds[kind](image, Math.min(size.height, size.width)),
    });
  }
  return calls;
}

/** Many images of one size, as of a camera. */
export async function steadyCall(): Promise<SoakCall> {
  const image = await photographAt({ height: 48, width: 64 });
  return { name: '64 × 48, again and again', ...kinds[0](image, 48) };
}

function one(call: (model: Model) => Promise<{ timings: unknown }>): Omit<SoakCall, 'name'> {
  return { images: 1, make: async (model) => withoutTimings(await call(model)) };
}

/** A digest of some values. */
function digestOf(values: Float32Array): string {
  return createHash('sha256').update(values).digest('base64');
}

function withoutTimings<T extends { timings: unknown }>({ timings: _, ...rest }: T) {
  return rest;
}
