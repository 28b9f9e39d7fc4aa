import { copyFileSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { packagedWeights } from '../../src/node.js';
import { packagedDetectorFile } from '../support/detector.js';
import {
  type Line,
  crop,
  finished,
  inScratch,
  onAdapter,
  panpp,
  parseLines,
  read,
  refused,
  small,
  start,
  write,
} from './cli.js';

const images = Array.from({ length: 5 }, (_, index) => `img_${index + 1}`);

const run = (results: string, ...more: string[]) => [
  ...[
    'eval',
    '--run',
    '--protocol',
    'icdar2015',
    '--gt',
    'gt',
    '--images',
    'images',
    '--results',
    results,
  ],
  ...[...small, ...onAdapter, ...more],
];

async function report(args: readonly string[], expectedCode = 0) {
  const { code, stdout, messages } = await panpp([...args, '--json']);
  expect(code, messages.join('\n')).toBe(expectedCode);
  const figures = JSON.parse(stdout) as Record<string, unknown> & {
    failed: { image: string; error: string }[];
    precision: number;
    recall: number;
  };
  return { figures, messages };
}

const stored = (results: string, image: string) =>
  JSON.parse(read(`${results}/detections/${image}.json`).toString()) as Line;

beforeAll(async () => {
  for (const folder of ['images', 'gt']) mkdirSync(inScratch(folder));
  const pieces = ['bread', 'open', 'sign'] as const;
  for (const [index, image] of images.entries())
    write(`images/${image}.png`, await (await crop(pieces[index % 3])).png().toBuffer());
  // What is found becomes the truth: each image's first region, and once a text that isn't there.
  const { stdout } = await panpp(['detect', 'images', '--no-overlay', ...small, ...onAdapter]);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  for (const [index, { regions }] of lines.entries()) {
    const texts = [
      regions[0].polygon,
      ...(index === 0
        ? [
            [
              [900, 900],
              [950, 900],
              [950, 920],
              [900, 920],
            ],
          ]
        : []),
    ];
    write(
      `gt/gt_${images[index]}.txt`,
      texts.map((polygon) => `${polygon.flat().join(',')},word\n`).join(''),
    );
  }
});

describe('eval --run', () => {
  it('finds the text of a data set, stores it and scores it', async () => {
    const { figures, messages } = await report(run('whole', '--plot', 'plots/curve.svg'));
    const found = images.map((image) => stored('whole', image).regions.length);
    expect(Math.min(...found)).toBeGreaterThan(0);
    expect(figures.recall).toBe(5 / 6);
    expect(figures.precision).toBeCloseTo(5 / found.reduce((a, b) => a + b), 12);
    expect(figures).toMatchObject({
      images: 5,
      failed: [],
      settings: { shortSide: 64, bbox: 'rect', minScore: 0.85, minArea: 260 },
    });
    expect(messages).toEqual([
      "panpp: settings, icdar2015's, with options applied: short side 64, rect, min score 0.85, min area 260",
      'panpp: wrote plots/curve.svg',
    ]);
    expect(read('plots/curve.svg').toString()).toMatch(
      /^<svg [\s\S]*precision[\s\S]*recall[\s\S]*H-mean[\s\S]*<\/svg>\n$/,
    );

    const { polygon } = stored('whole', 'img_1').regions[0];
    expect(read('whole/results/res_img_1.txt').toString().split('\n')[0]).toBe(
      polygon.flat().join(','),
    );
    expect(readdirSync(inScratch('whole/results'))).toHaveLength(5);

    // The same figures without looking again, from the run's folder and from its result files.
    for (const results of ['whole', 'whole/results']) {
      const again = await report([
        'eval',
        '--protocol',
        'icdar2015',
        '--gt',
        'gt',
        '--results',
        results,
        '--per-image',
      ]);
      expect(again.figures).toMatchObject({
        precision: figures.precision,
        recall: figures.recall,
        perImage: expect.any(Array),
      });
    }
    const begin = performance.now();
    const { figures: same, messages: told } = await report(run('whole'));
    expect(told).toContain('panpp: 5 of 5 images were done before');
    expect(same).toEqual(figures);
    expect(performance.now() - begin).toBeLessThan(5000);
  });

  it('continues after an interruption, and processes no image twice', async () => {
    const done = (results: string) => {
      try {
        return readdirSync(inScratch(`${results}/detections`)).filter((name) =>
          name.endsWith('.json'),
        );
      } catch {
        return [];
      }
    };
    const endedBy = async (signal: NodeJS.Signals, results: string, least: number) => {
      const child = start(run(results));
      const ended = finished(child);
      while (done(results).length < least && child.exitCode === null) await delay(2);
      child.kill(signal);
      return ended;
    };
    const { code, stdout, messages: told } = await endedBy('SIGINT', 'interrupted', 1);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const [, count] =
      /^panpp: interrupted, (\d) of 5 images are done; the same command continues$/.exec(
        told.at(-1)!,
      )!;
    // One more may have been written while the process ended.
    expect(Number(count)).toBeGreaterThanOrEqual(1);
    expect(Number(count)).toBeLessThanOrEqual(done('interrupted').length);

    await endedBy('SIGKILL', 'cut', 2);
    const before = done('cut');
    expect(before.length).toBeGreaterThanOrEqual(2);
    expect(before.length).toBeLessThan(5);
    // Whatever lies there is whole.
    for (const name of before)
      expect(stored('cut', name.replace('.json', '')).regions).toBeInstanceOf(Array);
    const times = before.map((name) => statSync(inScratch('cut/detections', name)).mtimeMs);

    const { figures, messages } = await report(run('cut'));
    expect(messages).toContain(`panpp: ${before.length} of 5 images were done before`);
    expect(before.map((name) => statSync(inScratch('cut/detections', name)).mtimeMs)).toEqual(
      times,
    );
    expect(figures).toEqual((await report(run('whole'))).figures);
    for (const image of images)
      expect(stored('cut', image).regions).toEqual(stored('whole', image).regions);
  });

  it('does not mix in other settings, weights or images', async () => {
    const before = readdirSync(inScratch('whole/detections')).map((name) =>
      read(`whole/detections/${name}`).toString(),
    );
    expect(await refused(run('whole', '--tile-side', '768'))).toMatch(
      /^panpp: whole holds another run \(tile side: none there, 768 now\)/,
    );
    expect(await refused(run('whole', '--min-score', '0.5', '--bbox', 'poly'))).toBe(
      'panpp: whole holds another run (min score: 0.85 there, 0.5 now; bbox: rect there, poly now); give another --results, or --restart',
    );
    const weights = Buffer.from(readFileSync(packagedWeights()));
    weights[weights.length - 1] ^= 1;
    write('other.safetensors', weights);
    expect(await refused(run('whole', '--weights', 'other.safetensors'))).toMatch(
      /^panpp: whole holds another run \(weights: [0-9a-f]{12} there, [0-9a-f]{12} now\)/,
    );
    expect(await refused([...run('whole'), '--images', './images/*.png'])).toMatch(
      /^panpp: whole holds another run \(images: .*images there, .*\*\.png now\)/,
    );
    expect(
      readdirSync(inScratch('whole/detections')).map((name) =>
        read(`whole/detections/${name}`).toString(),
      ),
    ).toEqual(before);

    mkdirSync(inScratch('mine/results'), { recursive: true });
    write('mine/results/precious.txt', '1');
    expect(await refused(run('mine', '--restart'))).toBe(
      'panpp: mine/results was not made by a run; give another --results',
    );
    expect(read('mine/results/precious.txt').toString()).toBe('1');
    write('broken-run.json', '');
    mkdirSync(inScratch('broken'));
    copyFileSync(inScratch('broken-run.json'), inScratch('broken/run.json'));
    expect(await refused(run('broken'))).toBe(
      "panpp: broken/run.json: not a run's settings file; give another --results, or --restart",
    );
  });

  it('begins anew with --restart, if it can', async () => {
    const before = readdirSync(inScratch('cut'), { recursive: true });
    expect(await refused(run('cut', '--restart', '--adapter', 'none such'))).toMatch(
      /no WebGPU adapter matches "none such"/,
    );
    expect(readdirSync(inScratch('cut'), { recursive: true })).toEqual(before);
    const { figures, messages } = await report(run('cut', '--restart', '--min-score', '0.95'));
    expect(messages.join()).not.toContain('done before');
    expect(figures.recall).toBeLessThan(5 / 6);
    for (const image of images)
      for (const { score } of stored('cut', image).regions)
        expect(score).toBeGreaterThanOrEqual(0.95);
  });

  it('counts an image that fails as one without detections, says so, and tries it again', async () => {
    mkdirSync(inScratch('few'));
    for (const image of ['img_1', 'img_2'])
      copyFileSync(inScratch(`images/${image}.png`), inScratch(`few/${image}.png`));
    write('few/img_3.png', read('images/img_3.png').subarray(0, 5000));
    const ofFew = [...run('few-results'), '--images', 'few'];
    const { figures, messages } = await report(ofFew, 1);
    const error = expect.stringMatching(/^few\/img_3\.png: truncated or damaged PNG/) as string;
    expect(figures.failed).toEqual([{ image: 'img_3', error }]);
    expect(figures.recall).toBe(2 / 6);
    expect(messages.filter((line) => line.includes('img_3'))).toEqual([
      expect.stringMatching(/^panpp: few\/img_3\.png: truncated/),
      'panpp: counted as images without detections, because they failed: img_3',
    ]);
    expect(read('few-results/results/res_img_3.txt').toString()).toBe('');
    // Scored again from its folder it is no better.
    expect(
      (
        await report(
          ['eval', '--protocol', 'icdar2015', '--gt', 'gt', '--results', 'few-results'],
          1,
        )
      ).figures.failed,
    ).toHaveLength(1);

    copyFileSync(inScratch('images/img_3.png'), inScratch('few/img_3.png'));
    const repaired = await report(ofFew);
    expect(repaired.messages).toContain('panpp: 2 of 3 images were done before');
    expect(repaired.figures).toMatchObject({ failed: [], recall: 3 / 6 });
  });

  it('processes an image again if its stored result can’t be read', async () => {
    write('few-results/detections/img_2.json', '{"file":"few/img_2.png","regions":[{"polyg');
    const { figures, messages } = await report([...run('few-results'), '--images', 'few']);
    expect(messages).toContain('panpp: 2 of 3 images were done before');
    expect(figures.recall).toBe(3 / 6);
    write('few-results/detections/img_2.json', '');
    expect(
      await refused(['eval', '--protocol', 'icdar2015', '--gt', 'gt', '--results', 'few-results']),
    ).toMatch(/^panpp: few-results\/detections\/img_2\.json: not a valid stored result/);
  });

  it('uses the settings of the benchmark, or of another by choice', async () => {
    mkdirSync(inScratch('polygons'));
    for (const image of ['img_1', 'img_2', 'img_3']) {
      const text = read(`gt/gt_${image}.txt`).toString();
      write(`polygons/${image}.txt`, text.replaceAll(',word', ',####word'));
    }
    const ofFew = (protocol: string, results: string, ...more: string[]) =>
      report([
        'eval',
        '--run',
        '--protocol',
        protocol,
        '--gt',
        'polygons',
        '--images',
        'few',
        '--results',
        results,
        ...small,
        ...onAdapter,
        ...more,
      ]);
    const totaltext = await ofFew('totaltext', 'totaltext');
    expect(totaltext.figures.settings).toMatchObject({ bbox: 'poly', minScore: 0.87, minArea: 16 });
    expect(totaltext.figures.recall).toBeGreaterThan(0.25);
    const [y, x] = read('totaltext/results/img_1.txt').toString().split(',').map(Number);
    expect([x, y]).toEqual(stored('totaltext', 'img_1').regions[0].polygon[0]);

    const plain = await ofFew('iou', 'iou', '--settings', 'totaltext', '--min-score', '0.9');
    expect(plain.figures.settings).toMatchObject({ bbox: 'poly', minScore: 0.9, minArea: 16 });
    expect(plain.messages[0]).toMatch(
      /^panpp: settings, totaltext's, with options applied: short side 64, poly, min score 0\.9/,
    );
    const own = await ofFew('iou', 'own', '--tile-side', '768');
    expect(own.messages[0]).toMatch(
      /^panpp: settings, the weights' own, with options applied: short side 64, tile side 768, rect/,
    );
    expect(own.figures.settings).toMatchObject({ tileSide: 768 });
  });

  it('sees before any work whether images and ground truth fit', async () => {
    mkdirSync(inScratch('odd'));
    copyFileSync(inScratch('images/img_1.png'), inScratch('odd/img_99.png'));
    expect(await refused([...run('odd-results'), '--images', 'odd'])).toBe(
      "panpp: --images and --gt don't match (results are named after images): results: res_img_99.txt: the ground truth has no gt_img_99.txt",
    );
    mkdirSync(inScratch('same/name'), { recursive: true });
    for (const name of ['same/img_1.png', 'same/name/img_1.jpg'])
      copyFileSync(inScratch('images/img_1.png'), inScratch(name));
    expect(await refused([...run('same-results'), '--images', 'same'])).toMatch(
      /same\/img_1\.png.*same\/name\/img_1\.jpg|same\/name\/img_1\.jpg.*same\/img_1\.png/,
    );
    expect(await refused([...run('none'), '--gt', 'nowhere'])).toBe(
      'panpp: nowhere: no such file or folder',
    );
    expect(await refused([...run('none'), '--images', 'nowhere*'])).toBe(
      'panpp: nowhere*: no PNG, JPEG or WebP files found',
    );
    write('file', '');
    expect(await refused(run('file'))).toBe(
      "panpp: file: can't be used as output folder: there is a file where a folder should be",
    );
    expect(readdirSync(inScratch('.'))).not.toContain('odd-results');
  });

  it('reads where words are compared, with weights that can', async () => {
    const endToEnd = (...more: string[]) => [
      ...run('words', ...more),
      '--protocol',
      'icdar2015-e2e',
      '--images',
      'images/img_3.png',
    ];
    write('detector.safetensors', packagedDetectorFile());
    expect(await refused(endToEnd('--weights', 'detector.safetensors'))).toMatch(
      /^panpp: detector\.safetensors only detects text: it has no recognition head; use weights that have one/,
    );

    const lexicons = ['--lexicon', 'lexicons'];
    mkdirSync(inScratch('lexicons'));
    expect(await refused(endToEnd(...lexicons))).toMatch(
      /^panpp: lexicons: no lexicon for img_3 \(img_3\.txt or voc_img_3\.txt\)/,
    );
    expect(readdirSync(inScratch('.'))).not.toContain('words');

    const { figures } = await report(endToEnd('--beam', '8', '--no-rectify'));
    expect(figures.images).toBe(5);
    expect(figures.settings).toMatchObject({ beam: 8, rectify: false });
    expect(await refused(run('words', '--beam', '8'))).toBe(
      "panpp: icdar2015 does not compare words, so --beam can't be used with it",
    );
    expect(await refused(run('words', '--no-rectify'))).toBe(
      "panpp: icdar2015 does not compare words, so --no-rectify can't be used with it",
    );
    expect(await refused(endToEnd('--beam', '8'))).toMatch(
      /^panpp: words holds another run \(rectify: false there, true now\)/,
    );
    // Of width 1, the default, the search is greedy.
    expect(await refused(endToEnd('--beam', '1', '--no-rectify'))).toMatch(
      /^panpp: words holds another run \(beam: 8 there, none now\)/,
    );
    const { regions } = stored('words', 'img_3') as unknown as {
      regions: { polygon: number[][]; text: string; textScore: number }[];
    };
    expect(regions.length).toBeGreaterThan(0);
    const spotted = async (...more: string[]) => {
      const spot = ['spot', 'images/img_3.png', '--no-overlay', '--min-score', '0.8'];
      const [line] = parseLines((await panpp([...spot, ...small, ...onAdapter, ...more])).stdout);
      return line.regions;
    };
    expect(await spotted('--beam', '8', '--no-rectify')).toEqual(regions);
    expect(await spotted('--no-rectify')).not.toEqual(regions);
    const words = read('words/results/res_img_3.txt')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => line.split(',')[8]);
    expect(words).toEqual(regions.map(({ text }) => text));
  });
});
