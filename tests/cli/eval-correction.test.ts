// Words of a stored run, corrected before they are scored.
import { mkdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { inScratch, panpp, read, refused, write } from './cli.js';

/** A word of a run or of the ground truth, in its own place. */
interface Placed {
  readonly text: string;
  readonly textScore?: number;
}

const boxOf = (place: number) => {
  const [left, right] = [100 * place, 100 * place + 80];
  return [
    [left, 0],
    [right, 0],
    [right, 20],
    [left, 20],
  ];
};

const lineOf = (text: string, place: number) => `${boxOf(place).flat().join(',')},${text}\n`;

const storedOf = (image: string, words: readonly Placed[]) =>
  JSON.stringify({
    file: `images/${image}.png`,
    regions: words.map((word, place) => ({ polygon: boxOf(place), score: 0.9, ...word })),
  });

const settings = { shortSide: 736, bbox: 'rect', minScore: 0.85 };
const run = {
  img_1: [
    { text: 'STREET', textScore: 0.99 },
    { text: 'MARKEI', textScore: 0.93 },
    { text: 'NOISE', textScore: 0.5 },
  ],
  img_2: [{ text: 'OPFN', textScore: 0.9 }],
};
const truth = { img_1: ['STREET', 'MARKET'], img_2: ['OPEN'] };
const score = ['eval', '--protocol', 'icdar2015-e2e', '--gt', 'gt', '--results', 'run'];

async function figures(...more: string[]) {
  const { code, stdout, messages } = await panpp([...score, ...more, '--json']);
  expect(code, messages.join('\n')).toBe(0);
  const { counts, correction, settings } = JSON.parse(stdout) as {
    counts: Record<string, number>;
    correction?: object;
    settings?: object;
  };
  return { counts, correction, settings };
}

describe('eval of a run with corrected words', () => {
  beforeAll(() => {
    for (const folder of ['run', 'run/detections', 'unread', 'unread/detections', 'gt', 'lexicons'])
      mkdirSync(inScratch(folder));
    for (const folder of ['run', 'unread'])
      write(`${folder}/run.json`, JSON.stringify({ protocol: 'icdar2015-e2e', settings }));
    for (const [image, words] of Object.entries(run)) {
      write(`run/detections/${image}.json`, storedOf(image, words));
      write(`unread/detections/${image}.json`, storedOf(image, []));
    }
    write(
      'unread/detections/img_1.json',
      JSON.stringify({ file: 'a.png', regions: [{ polygon: boxOf(0), score: 1 }] }),
    );
    for (const [image, words] of Object.entries(truth))
      write(`gt/gt_${image}.txt`, words.map(lineOf).join(''));
    write('words.txt', 'market\nopen\nstreet\n');
    write('lexicons/voc_img_1.txt', 'market\n');
    write('lexicons/img_2.txt', 'open\n');
  });

  it('leaves words as they are without the options', async () => {
    expect(await figures()).toEqual({
      counts: expect.objectContaining({ matched: 1, gtCare: 3, detCare: 4 }),
      settings,
    });
  });

  it('drops words with a low score', async () => {
    const { counts, correction } = await figures('--correct');
    expect(counts).toMatchObject({ matched: 1, detCare: 3 });
    expect(correction).toEqual({
      lengthThreshold: 3,
      scoreThreshold: 0.95,
      nonAlphaScoreThreshold: 0.9,
      ignoreScoreThreshold: 0.88,
      editDistanceThreshold: 2,
    });
    const strict = ['--correct', '--ignore-score-threshold', '0.95', '--score-threshold', '0.95'];
    expect((await figures(...strict)).counts).toMatchObject({ matched: 1, detCare: 1 });
  });

  it('takes words from a lexicon, one for all images or one each', async () => {
    const lexicon = await figures('--lexicon', 'words.txt');
    expect(lexicon.counts).toMatchObject({ matched: 3, gtCare: 3, detCare: 3 });
    expect(lexicon.correction).toMatchObject({ lexicon: 'words.txt' });
    expect((await figures('--lexicon', 'lexicons')).counts).toMatchObject({ matched: 3 });
    const distance = ['--edit-distance-threshold', '1'];
    expect((await figures('--lexicon', 'lexicons', ...distance)).counts).toMatchObject({
      matched: 1,
      detCare: 1,
    });
    // What was read stays.
    expect(read('run/detections/img_2.json').toString()).toContain('OPFN');
  });

  it('refuses what has no words or no scores', async () => {
    expect(await refused([...score, '--ignore-score-threshold', '0.9'])).toBe(
      'panpp: ignoreScoreThreshold is for words that are corrected; give a lexicon (--lexicon) or correct (--correct)',
    );
    expect(await refused(['spot', 'a.png', '--length-threshold', '2'])).toBe(
      'panpp: lengthThreshold is for words that are corrected; give a lexicon (--lexicon) or correct (--correct)',
    );
    expect(await refused([...score, '--protocol', 'icdar2015', '--correct'])).toBe(
      "panpp: icdar2015 does not compare words, so --lexicon and --correct can't be used with it",
    );
    expect(await refused([...score, '--results', 'gt', '--correct'])).toMatch(
      /^panpp: --lexicon or --correct needs scores, which result files don't hold; give the folder of an eval --run/,
    );
    expect(await refused([...score, '--results', 'unread', '--correct'])).toMatch(
      /^panpp: img_1: the run did not read its regions/,
    );
    expect(await refused([...score, '--lexicon', 'none.txt'])).toMatch(/none\.txt: no such file/);
    write('lexicons/img_2.txt', '');
    expect(await refused([...score, '--lexicon', 'lexicons'])).toMatch(/img_2\.txt holds no word/);
    expect(
      await refused([...score, '--run', '--images', 'x', '--shard', '1/2', '--correct']),
    ).toMatch(/--correct is for figures, and a shard has none/);
  });
});
