import { mkdirSync, utimesSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { Lexicon, correctWord } from '../../src/node.js';
import { packagedDetectorFile } from '../support/detector.js';
import {
  crop,
  inScratch,
  onAdapter,
  panpp,
  parseLines,
  read,
  refused,
  small,
  write,
} from './cli.js';

interface Spotted {
  readonly text: string;
  readonly textScore: number;
  readonly characters?: readonly {
    character: string;
    probability: number;
    attention: [number, number];
  }[];
}

const anything = ['--min-score', '0.5', '--min-area', '0'];

async function spot(
  ...args: string[]
): Promise<{ code: number | null; regions: Spotted[]; messages: readonly string[] }> {
  const { code, stdout, messages } = await panpp([
    'spot',
    ...small,
    ...onAdapter,
    ...anything,
    '--no-overlay',
    ...args,
  ]);
  const [line] = parseLines(stdout);
  return { code, regions: (line.regions ?? []) as unknown as Spotted[], messages };
}

describe('panpp spot', () => {
  beforeAll(async () => {
    write('detector.safetensors', packagedDetectorFile());
    write('sign.png', await (await crop('sign')).png().toBuffer());
  });

  it('reads with the weights of the package', async () => {
    const size = ['--short-side', '192', '--no-overlay'];
    const { code, stdout, messages } = await panpp(['spot', 'sign.png', ...size, ...onAdapter]);
    expect({ code, messages }).toEqual({ code: 0, messages: [] });
    const words = (parseLines(stdout)[0].regions as unknown as Spotted[]).map(({ text }) => text);
    // The sign says THE WAGGING TAIL, Coffee House, SINCE 1987.
    expect(words).toEqual(expect.arrayContaining(['WAGGING', 'THE', 'Coffee', '1987']));
  });

  it('prints regions with their text, and writes it in all formats that hold it', async () => {
    const { code, regions } = await spot(
      'sign.png',
      '--format',
      'icdar,hocr,svg,labelme,coco-text',
      '--output',
      'read',
    );
    expect(code).toBe(0);
    expect(regions.length).toBeGreaterThan(0);
    for (const { text, textScore } of regions) {
      expect(text).toMatch(/^[!-~]*$/);
      expect(textScore).toBeGreaterThanOrEqual(0);
    }
    const texts = regions.map(({ text }) => text);
    expect(texts.some((text) => text.length > 0)).toBe(true);
    const lines = read('read/res_sign.txt').toString().trimEnd().split('\n');
    expect(lines.map((line) => line.split(',').slice(8).join(','))).toEqual(texts);
    const inFile = (name: string, pattern: RegExp) =>
      [...read(`read/${name}`).toString().matchAll(pattern)].map((match) => match[1]);

    expect(inFile('sign.hocr', /class="ocrx_word".*?>(.*?)<\/span>/g)).toEqual(texts);
    expect(inFile('sign.hocr', /x_wconf (\d+);/g).map(Number)).toEqual(
      regions.map(({ textScore }) => Math.round(textScore * 100)),
    );
    expect(inFile('sign.hocr', /image &quot;(.*?)&quot;/g)).toEqual(['../sign.png']);
    expect(inFile('sign.hocr', /name="ocr-system" content="(.*?)"/g)).toEqual([
      expect.stringMatching(/^panpp \d+\.\d+\.\d+$/),
    ]);
    expect(inFile('sign.svg', /<text .*?>(.*?)<\/text>/g)).toEqual(
      texts.filter((text) => text !== ''),
    );
    const { shapes } = JSON.parse(read('read/sign.json').toString()) as {
      shapes: { label: string }[];
    };
    expect(shapes.map(({ label }) => label)).toEqual(texts.map((text) => text || 'text'));
    const { anns } = JSON.parse(read('read/coco-text.json').toString()) as {
      anns: Record<string, { utf8_string: string }>;
    };
    expect(Object.values(anns).map(({ utf8_string }) => utf8_string)).toEqual(texts);
  });

  it('writes the other formats where one can’t hold a region', async () => {
    const { code, messages } = await spot(
      'sign.png',
      '--bbox',
      'poly',
      '--format',
      'icdar,hocr',
      '--output',
      'outlines',
    );
    expect(code).toBe(1);
    expect(messages).toEqual([
      'panpp: wrote outlines/sign.hocr',
      expect.stringMatching(
        /^panpp: outlines\/res_sign\.txt: region \d+ can't be written for icdar2015-e2e: it has \d+ corners; four/,
      ),
    ]);
  });

  it('prints characters, and searches with a beam', async () => {
    const { regions } = await spot('sign.png', '--characters', '--beam', '3');
    const read = regions.find(({ text }) => text.length > 0)!;
    expect(read.characters!.map(({ character }) => character).join('')).toBe(read.text);
    for (const { probability, attention } of read.characters!) {
      expect(probability).toBeGreaterThan(0);
      expect(attention).toHaveLength(2);
    }
  });

  it('reads once on request, which never has the higher score', async () => {
    const twice = (await spot('sign.png')).regions;
    const once = (await spot('sign.png', '--no-rectify')).regions;
    expect(once.length).toBe(twice.length);
    const gains = twice.map(({ textScore }, at) => textScore - once[at].textScore);
    expect(Math.min(...gains)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...gains)).toBeGreaterThan(0);
  });

  it('corrects by a lexicon with a byte order mark and CRLF, one for all images or one each', async () => {
    const plain = (await spot('sign.png')).regions;
    const word = plain.find(({ text }) => /^[A-Za-z]{3,}$/.test(text))?.text ?? 'nothing';
    write('words.txt', `\uFEFF${word.toUpperCase()}\r\nunrelated\r\n`);
    // Nothing is dropped for its score here.
    const loose = [
      '--ignore-score-threshold',
      '0',
      '--non-alpha-score-threshold',
      '0',
      '--score-threshold',
      '1',
    ];
    const corrected = (await spot('sign.png', '--lexicon', 'words.txt', ...loose)).regions;
    const rule = { ignoreScoreThreshold: 0, nonAlphaScoreThreshold: 0, scoreThreshold: 1 };
    const lexicon = new Lexicon([word.toUpperCase(), 'unrelated']);
    const expected = plain.flatMap(
      ({ text, textScore }) => correctWord(text, textScore, lexicon, rule) ?? [],
    );
    expect(expected).toContain(word.toUpperCase());
    expect(corrected.map(({ text }) => text)).toEqual(expected);
    mkdirSync(inScratch('lexicons'), { recursive: true });
    write('lexicons/voc_sign.txt', `${word.toUpperCase()}\nunrelated\n`);
    expect(
      (await spot('sign.png', '--lexicon', 'lexicons', ...loose)).regions.map(({ text }) => text),
    ).toEqual(expected);
  });

  it('reads again with --resume where a lexicon has changed, though not its size and time', async () => {
    const resumed = () =>
      spot('sign.png', '--lexicon', 'own.txt', '--format', 'json', '--output', 'own', '--resume');
    const time = new Date();
    const lexicon = (word: string) => {
      write('own.txt', word);
      utimesSync(inScratch('own.txt'), time, time);
    };
    lexicon('open');
    await resumed();
    expect((await resumed()).messages.join()).toContain('1 of 1 images were done before');
    lexicon('shut');
    expect((await resumed()).messages.join()).not.toContain('done before');
  });

  it('says which image has no lexicon in the folder', async () => {
    mkdirSync(inScratch('empty-lexicons'), { recursive: true });
    const { code, messages } = await spot('sign.png', '--lexicon', 'empty-lexicons');
    expect(code).toBe(1);
    expect(messages).toEqual([
      expect.stringMatching(/empty-lexicons: no lexicon for sign \(sign\.txt or voc_sign\.txt\)/),
    ]);
  });

  it('refuses invalid options and files in one line', async () => {
    const detector = ['--weights', 'detector.safetensors'];
    expect(await refused(['spot', ...onAdapter, ...detector, 'sign.png'])).toMatch(
      /detector\.safetensors only detects text: it has no recognition head; use weights that have one/,
    );
    expect(
      await refused(['spot', ...onAdapter, ...anything, 'sign.png', '--lexicon', 'none.txt']),
    ).toMatch(/none\.txt: no such file/);
    write('void.txt', '\r\n');
    expect(
      await refused(['spot', ...onAdapter, ...anything, 'sign.png', '--lexicon', 'void.txt']),
    ).toMatch(/void\.txt holds no word/);
  });
});
