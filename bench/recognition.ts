// Recognition's share of the time by the number of regions. The regions are boxes all over a
// photograph, so words and their lengths are arbitrary; the record states the lengths.
import { loadModel } from '../src/model/load.js';
import type { Gpu } from '../src/gpu/context.js';
import type { Box } from '../src/shapes/geometry.js';
import { type Effort, type Statistics, measure, summarise, timed } from './measure.js';
import { photographAt } from './photograph.js';
import type { Size } from './sizes.js';
import type { BenchWeights } from './weights.js';

export const readCounts = [1, 30, 300] as const;
/** The authors' short side on a photograph of 16 : 9. */
export const readSize: Size = { height: 736, width: 1312 };

export interface RecognitionEntry extends Size {
  readonly regions: number;
  /** Average number of characters per word. */
  readonly characters: number;
  /**
   * Milliseconds of reading once: `network`, and the recognition head's `features` and
   * `recognition`, are GPU times, and `wall` is all of it; `rectified` is all of reading twice.
   */
  readonly times: Readonly<Record<string, Statistics>>;
  /** The head's share of the GPU time; only where the adapter has timestamps. */
  readonly share?: number;
}

export async function measureRecognition(
  gpu: Gpu,
  { bytes, load }: BenchWeights,
  regions: number,
  effort: Effort,
): Promise<RecognitionEntry> {
  const model = await loadModel(gpu, bytes, load);
  const image = await photographAt(readSize);
  const boxes = boxesIn(readSize, regions);
  const call = (rectify: boolean) =>
    timed(() => model.recognize(image, boxes, { shortSide: readSize.height, rectify }));
  const read = async () => {
    const { result, wall } = await call(false);
    const { wall: rectified } = await call(true);
    const timings = result.timings as Record<string, number>;
    return { words: result.words, times: { ...timings, wall, rectified } };
  };
  try {
    const { words } = await read();
    const times = summarise(await measure(async () => (await read()).times, effort));
    const characters = words.reduce((sum, { text }) => sum + [...text].length, 0) / words.length;
    return { ...readSize, regions, characters, times, share: shareOf(times) };
  } finally {
    model.dispose();
  }
}

function shareOf({
  features,
  recognition,
  network,
}: Readonly<Record<string, Statistics>>): number | undefined {
  if (!features || !recognition || !network) return undefined;
  const head = features.median + recognition.median;
  return head / (head + network.median);
}

/** Word-shaped boxes all over the image. */
function boxesIn({ height, width }: Size, count: number): Box[] {
  const across = Math.ceil(Math.sqrt((count * width) / height / 4));
  const down = Math.ceil(count / across);
  return Array.from({ length: count }, (_, index) => {
    const left = Math.floor(((index % across) * width) / across);
    const top = Math.floor((Math.floor(index / across) * height) / down);
    return {
      left,
      top,
      right: left + Math.floor((0.9 * width) / across),
      bottom: top + Math.floor((0.8 * height) / down),
    };
  });
}
