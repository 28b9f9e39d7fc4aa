// Results of shards that are joined: JSON lines and COCO-Text files.
import { formatCocoText } from '../../../src/formats/coco-text.js';
import { cocoTextOf, headerOf, isSameImage } from '../../../src/cli/merge/coco-text.js';
import { joined } from '../../../src/cli/merge/join.js';
import { isSameLine, linesOf } from '../../../src/cli/merge/lines.js';
import { readText } from '../../../src/cli/merge/parts.js';
import { damaged } from '../mutations.js';
import { target } from '../target.js';

const box = { left: 1, top: 2, right: 5, bottom: 4 };
const polygon = [
  [1, 2],
  [5, 2],
  [5, 4],
] as const;
const images = ['a.png', 'b/é.png'].map((path, index) => ({
  image: { path, width: 9, height: 9 },
  regions: Array.from({ length: index + 1 }, () => ({ polygon, box, score: 0.5, text: 'x' })),
}));
const lines = [
  { file: 'a.png', width: 9, height: 9, regions: [{ polygon, box, score: 0.5 }], timings: {} },
  { file: 'caf\udce9.png', width: 9, height: 9, regions: [], timings: {} },
  { file: 'c.png', error: 'c.png: truncated' },
].map((line) => `${JSON.stringify(line)}\n`);
const seeds = [lines.join(''), formatCocoText(images, { version: '1' })].map((text) =>
  new TextEncoder().encode(text),
);

/** Twice the same is the same, and what is written is read again. */
function readPart(bytes: Uint8Array): void {
  const again = (written: Uint8Array) => {
    const [part] = readText(written, 'again').parts;
    return part.results.length;
  };
  const all = readText(bytes, 'part');
  if (all.kind === 'coco-text') {
    const results = joined([...all.parts, ...all.parts], isSameImage);
    const text = cocoTextOf(results, headerOf(all.parts));
    if (again(new TextEncoder().encode(text)) !== results.length)
      throw new Error('images are lost');
  } else if (all.kind === 'JSON lines') {
    const results = joined([...all.parts, ...all.parts], isSameLine);
    if (again(linesOf(results)) !== results.length) throw new Error('lines are lost');
  }
}

export const mergeTargets = [
  target({ name: 'parts to merge', inputs: damaged(seeds), read: readPart, inSuite: 1000 }),
];
