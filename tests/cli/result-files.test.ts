// The files of a run without the model: what is replaced and what is kept, what a later run goes on
// from, a device that goes away, a full disk, and results in odd places.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { runOnImages } from '../../src/cli/image-run.js';
import { findImages } from '../../src/cli/files.js';
import { isRunsPicture } from '../../src/cli/output-record.js';
import {
  type Format,
  type OutputFlags,
  ResultFiles,
  type ResultTask,
} from '../../src/cli/result-files.js';
import type { Detection } from '../../src/model/options.js';
import { PanppError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'panpp-results-'));
const inFolder = (...names: string[]) => join(folder, ...names);
const task: ResultTask = {
  protocols: { icdar: 'icdar2015', totaltext: 'totaltext', iou: 'iou' },
  reads: false,
};

const found: Detection = {
  regions: [
    {
      label: 1,
      polygon: [
        [1, 2],
        [9, 2],
        [9, 6],
        [1, 6],
      ],
      box: { left: 1, top: 2, right: 10, bottom: 7 },
      mapBox: { left: 0, top: 0, right: 2, bottom: 2 },
      area: 4,
      score: 0.9,
    },
  ],
  width: 16,
  height: 8,
  timings: { upload: 0, regions: 0, setup: 0, total: 0 },
};

const image = { width: 16, height: 8, channels: 3, data: new Uint8Array(16 * 8 * 3) } as const;
const onlyBox = (score: number): Detection => ({
  ...found,
  regions: [{ ...found.regions[0], score }],
});

/** What lies in a folder but for the record. */
function shownIn(path: string): string[] {
  const names = readdirSync(path, { recursive: true }) as string[];
  return names.filter((name) => !name.startsWith('.panpp')).sort();
}

beforeAll(async () => {
  const png = sharp({ create: { width: 16, height: 8, channels: 3, background: 'red' } }).png();
  mkdirSync(inFolder('images'));
  for (const name of ['a', 'b', 'c']) await png.toFile(inFolder('images', `${name}.png`));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a run that ends with an error', () => {
  /** Runs without a word until the device goes away at the second image. */
  async function cutOff(
    output: string,
    format: Format[],
  ): Promise<{ printed: string; said: string }> {
    const text = { printed: '', said: '' };
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk, ...rest: unknown[]) => {
      text.printed += String(chunk);
      (rest.at(-1) as () => void)();
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      text.said += String(chunk);
      return true;
    });
    const run = runOnImages(
      [inFolder('images')],
      { output, format, adapter: 'swiftshader' },
      task,
      () => ({
        settings: {},
        forModel: () => async (_, path) => {
          if (path.endsWith('b.png')) throw new PanppError('device-lost', 'the device is gone');
          return found;
        },
      }),
    );
    await expect(run).rejects.toThrow('the device is gone');
    vi.restoreAllMocks();
    return text;
  }
  afterEach(() => vi.restoreAllMocks());

  it('leaves the run’s file of what was done', async () => {
    const output = inFolder('cut');
    const { printed, said } = await cutOff(output, ['coco-text', 'svg']);
    expect(
      printed
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { file: string }).file),
    ).toEqual([inFolder('images', 'a.png')]);
    expect(said.split('\n').slice(-3)).toEqual([
      `panpp: wrote ${join(output, 'a.svg')}`,
      `panpp: wrote ${join(output, 'coco-text.json')}`,
      '',
    ]);
    const { imgs, imgToAnns } = JSON.parse(
      readFileSync(join(output, 'coco-text.json'), 'utf8'),
    ) as Record<string, unknown>;
    expect(imgs).toEqual({
      1: { id: 1, set: 'val', width: 16, height: 8, file_name: '../images/a.png' },
    });
    expect(imgToAnns).toEqual({ 1: [1] });
  });

  it('says what went wrong first, even if that file can’t be written', async () => {
    const output = inFolder('blocked');
    mkdirSync(join(output, 'coco-text.json'), { recursive: true });
    const { said } = await cutOff(output, ['coco-text']);
    expect(said).toContain(
      `panpp: ${join(output, 'coco-text.json')}: can't be written: is a folder\n`,
    );
  });
});

it('paths to images hold where folders are links', async () => {
  mkdirSync(inFolder('real/out'), { recursive: true });
  symlinkSync(inFolder('real/out'), inFolder('link'));
  symlinkSync(inFolder('images'), inFolder('pictures'));
  const file = { path: inFolder('pictures', 'a.png'), resultName: 'sub/a' };
  const results = await ResultFiles.open(
    { output: inFolder('link'), format: ['labelme', 'coco-text'], overlay: false },
    task,
    [file],
  );
  await results.write(file, { image, found }, 'hash');
  await results.finish();
  expect(shownIn(inFolder('real/out'))).toEqual(['coco-text.json', 'sub', 'sub/a.json']);
  const stored = (name: string) => JSON.parse(readFileSync(inFolder('link', name), 'utf8'));
  expect(stored('sub/a.json').imagePath).toBe('../../../images/a.png');
  expect(stored('coco-text.json').imgs[1].file_name).toBe('../../images/a.png');
});

describe('files in the output folder', () => {
  let output: string;
  let count = 0;
  const files = ['a', 'b'].map((name) => ({
    path: inFolder('images', `${name}.png`),
    resultName: name,
  }));
  const inOutput = (name: string) => join(output, name);
  const text = (name: string) => readFileSync(inOutput(name), 'utf8');

  /** Runs over both images, and gives what was written, and what not and why. */
  async function run(flags: Partial<OutputFlags>, score = 0.9, images = files) {
    const results = await ResultFiles.open({ output, overlay: false, ...flags }, task, images);
    const written = [];
    for (const file of images)
      written.push(
        await results.write(file, { image, found: onlyBox(score) }, `made with ${score}`),
      );
    written.push(await results.finish());
    const short = (line: string) => line.replaceAll(`${output}/`, '');
    return {
      paths: written.flatMap(({ paths }) => paths).map(short),
      problems: written.flatMap(({ problems }) => problems).map(short),
    };
  }

  beforeEach(() => {
    output = inFolder(`place-${count++}`);
    mkdirSync(output);
  });

  it('is replaced as long as it is as the run wrote it, and kept once it was corrected', async () => {
    const format = ['labelme', 'coco-text'] as const;
    expect((await run({ format })).paths).toEqual(['a.json', 'b.json', 'coco-text.json']);
    // With another result, so that not all is the same anyway.
    expect(await run({ format }, 0.8)).toEqual({
      paths: ['a.json', 'b.json', 'coco-text.json'],
      problems: [],
    });
    expect(text('a.json')).toContain('0.8');
    writeFileSync(inOutput('a.json'), 'corrected');
    writeFileSync(inOutput('coco-text.json'), 'corrected too');
    for (const score of [0.7, 0.6]) {
      expect(await run({ format }, score)).toEqual({
        paths: ['b.json'],
        problems: ['a.json', 'coco-text.json'].map(
          (name) =>
            `${name}: kept, because it was changed since panpp wrote it; --overwrite replaces it`,
        ),
      });
    }
    expect([text('a.json'), text('coco-text.json')]).toEqual(['corrected', 'corrected too']);
    expect((await run({ format, overwrite: true }, 0.5)).problems).toEqual([]);
    expect(text('a.json')).toContain('0.5');
    expect(await run({ format }, 0.4)).toMatchObject({ problems: [] });
  });

  it('is kept if it was somebody else’s: ground truth, a picture, annotations', async () => {
    const names = [
      'a.txt',
      'res_a.txt',
      'a.json',
      'a.overlay.png',
      'a.mask.png',
      'a.svg',
      'coco-text.json',
    ];
    for (const name of names) writeFileSync(inOutput(name), 'mine');
    const wanted: Partial<OutputFlags> = {
      format: ['icdar', 'totaltext', 'labelme', 'svg', 'coco-text'],
      overlay: true,
      masks: true,
    };
    const { problems } = await run(wanted);
    expect(problems.sort()).toEqual(
      names
        .map((name) => `${name}: kept, because panpp did not write it; --overwrite replaces it`)
        .sort(),
    );
    for (const name of names) expect(text(name), name).toBe('mine');
    expect((await run(wanted)).problems).toHaveLength(names.length);
    // Through a link too.
    rmSync(inOutput('a.json'));
    symlinkSync(inOutput('a.txt'), inOutput('a.json'));
    expect((await run({ format: ['labelme'] })).problems).toEqual([
      'a.json: kept, because panpp did not write it; --overwrite replaces it',
    ]);
  });

  it('that is just what would be written is the run’s', async () => {
    await run({ format: ['labelme'] });
    rmSync(inOutput('.panpp'), { recursive: true });
    expect(await run({ format: ['labelme'] })).toEqual({
      paths: ['a.json', 'b.json'],
      problems: [],
    });
    expect((await run({ format: ['labelme'] }, 0.3)).problems).toEqual([]);
  });

  it('is no image of the run, not even with --overwrite', async () => {
    copyFileSync(inFolder('images/a.png'), inOutput('x.png'));
    copyFileSync(inFolder('images/b.png'), inOutput('x.overlay.png'));
    const images = ['x', 'x.overlay'].map((resultName) => ({
      path: inOutput(`${resultName}.png`),
      resultName,
    }));
    const { problems } = await run({ overlay: true, overwrite: true }, 0.9, images);
    expect(problems).toEqual([
      'x.overlay.png: is one of the input images and is kept; give another --output',
    ]);
  });

  it('is no image of the next run where a run drew it', async () => {
    const album = join(output, 'album');
    mkdirSync(join(album, 'sub'), { recursive: true });
    for (const name of ['a.png', 'sub/c.png', 'mine.overlay.png'])
      copyFileSync(inFolder('images/a.png'), join(album, name));
    const list = async (...inputs: string[]) =>
      (await findImages(inputs, isRunsPicture)).images.map(({ path }) =>
        path.replace(`${album}/`, ''),
      );
    const all = ['a.png', 'mine.overlay.png', 'sub/c.png'];
    expect(await list(album)).toEqual(all);
    const { images } = await findImages([album], isRunsPicture);
    await run({ overlay: true, masks: true, output: album }, 0.9, [...images]);
    expect(shownIn(album)).toHaveLength(1 + 3 * all.length);
    expect(await list(album)).toEqual(all);
    // From above, from below, and by a glob.
    expect((await list(output)).filter((path) => path.includes('overlay'))).toEqual([
      'mine.overlay.png',
    ]);
    expect(await list(join(album, 'sub'), join(album, '*.png'))).toEqual([
      'sub/c.png',
      'a.png',
      'mine.overlay.png',
    ]);
    // Who names one means it.
    expect(await list(join(album, 'a.mask.png'))).toEqual(['a.mask.png']);
  });

  describe('and --resume', () => {
    const format = ['labelme', 'coco-text'] as const;
    /** What an earlier run is known to have found, by image. */
    async function earlier(score: number, flags: Partial<OutputFlags> = {}) {
      const results = await ResultFiles.open(
        { output, overlay: false, format, resume: true, ...flags },
        task,
        files,
      );
      return Promise.all(files.map((file) => results.earlier(file, `made with ${score}`)));
    }
    const line = expect.objectContaining({
      width: 16,
      regions: [expect.objectContaining({ score: 0.9, area: 4 })],
    }) as object;

    it('know which images are done, with these settings and formats', async () => {
      expect(await earlier(0.9)).toEqual([undefined, undefined]);
      await run({ format });
      expect(await earlier(0.9)).toEqual([line, line]);
      expect(await earlier(0.8)).toEqual([undefined, undefined]);
      expect(await earlier(0.9, { format: ['labelme', 'svg'] })).toEqual([undefined, undefined]);
      expect(await earlier(0.9, { resume: false })).toEqual([undefined, undefined]);
      rmSync(inOutput('a.json'));
      writeFileSync(inOutput('b.json'), 'corrected');
      expect(await earlier(0.9)).toEqual([undefined, line]);
      for (const broken of ['', 'null', '{"files":{"b.json":1}}']) {
        writeFileSync(inOutput('.panpp/images/b.json'), broken);
        expect(await earlier(0.9)).toEqual([undefined, undefined]);
      }
    });

    it('tell formats apart whose files have the same name', async () => {
      await run({ format: ['totaltext', 'json'] });
      expect(await earlier(0.9, { format: ['totaltext', 'json'] })).toEqual([line, line]);
      for (const format of [['iou'], ['labelme'], ['iou', 'json']] as const)
        expect(await earlier(0.9, { format })).toEqual([undefined, undefined]);
      await run({ format: ['iou'] });
      expect(await earlier(0.9, { format: ['iou', 'json'] })).toEqual([line, line]);
      expect(await earlier(0.9, { format: ['totaltext'] })).toEqual([undefined, undefined]);
    });

    it('tell an SVG that embeds its image from one that links it', async () => {
      await run({ format: ['svg'] });
      const flags = { format: ['svg'], embedImage: true } as const;
      expect(await earlier(0.9, flags)).toEqual([undefined, undefined]);
      await run(flags);
      expect(await earlier(0.9, flags)).toEqual([line, line]);
      expect(await earlier(0.9, { format: ['svg'] })).toEqual([undefined, undefined]);
    });

    it('take no file for done that was written with other settings than the last', async () => {
      await run({ format: ['json'] }, 0.8);
      await run({ format: ['svg'] }, 0.9);
      expect(await earlier(0.9, { format: ['svg'] })).toEqual([line, line]);
      expect(await earlier(0.9, { format: ['json'] })).toEqual([undefined, undefined]);
      expect(await earlier(0.8, { format: ['json'] })).toEqual([undefined, undefined]);
    });

    it('take what a kill left between entry and file as not done', async () => {
      await run({ format });
      const before = text('a.json');
      await run({ format }, 0.8);
      writeFileSync(inOutput('a.json'), before);
      expect(await earlier(0.8)).toEqual([undefined, expect.anything()]);
      // It is the run's own all the same.
      expect((await run({ format }, 0.8)).problems).toEqual([]);
      expect(await earlier(0.8)).toEqual([expect.anything(), expect.anything()]);
    });

    it('continue the run’s file, and report kept files again', async () => {
      writeFileSync(inOutput('b.json'), 'mine');
      await run({ format });
      const whole = text('coco-text.json');
      const results = await ResultFiles.open(
        { output, overlay: false, format, resume: true },
        task,
        files,
      );
      const problems = [];
      for (const file of files) {
        const before = await results.earlier(file, 'made with 0.9');
        problems.push(...(await results.takeEarlier(file, before!)).problems);
      }
      expect(problems).toEqual([
        `${inOutput('b.json')}: kept, because panpp did not write it; --overwrite replaces it`,
      ]);
      await results.finish();
      expect(text('coco-text.json')).toBe(whole);
      expect(await earlier(0.9, { overwrite: true })).toEqual([line, undefined]);
    });

    it('need files to go by', async () => {
      await expect(earlier(0.9, { format: [] })).rejects.toThrow(
        /^--resume needs result files to compare with; add --format/,
      );
    });
  });

  it('loses the drafts of killed processes, but none that another machine may be writing', async () => {
    mkdirSync(inOutput('.panpp'));
    for (const [name, age] of [
      ['old', 7200],
      ['new', 60],
    ] as const) {
      const path = inOutput(`.panpp/.panpp-${name}.draft`);
      writeFileSync(path, 'half');
      const time = Date.now() / 1000 - age;
      utimesSync(path, time, time);
    }
    await run({ format: ['labelme'] });
    expect(readdirSync(inOutput('.panpp')).sort()).toEqual(['.panpp-new.draft', 'images']);
  });

  it.runIf(existsSync('/dev/full'))(
    'on a full disk: unwritten files are reported, and existing ones stay',
    async () => {
      for (const name of ['a.json', 'coco-text.json']) symlinkSync('/dev/full', inOutput(name));
      const full = "can't be written: no space left on the device";
      expect(await run({ format: ['labelme', 'coco-text'] })).toEqual({
        paths: ['b.json'],
        problems: ['a.json', 'coco-text.json'].map((name) => `${name}: ${full}`),
      });
    },
  );

  it('is not added to where the record of it can’t be, for the file would be nobody’s', async () => {
    mkdirSync(inOutput('.panpp/images/a.json'), { recursive: true });
    const { problems } = await run({ format: ['labelme'] });
    expect(problems).toEqual([
      ".panpp/images/a.json: can't be written: is a folder",
      "a.json: not written, because its record can't be written",
    ]);
    expect(shownIn(output)).toEqual(['b.json']);
  });
});

it('standard input has no file for labelme and SVG to refer to', async () => {
  const images = (await findImages(['-'], isRunsPicture)).images;
  expect(images).toEqual([{ path: '-', resultName: 'stdin', key: '-' }]);
  const open = (flags: Partial<OutputFlags>) =>
    ResultFiles.open({ output: inFolder('of-stdin'), ...flags }, task, images);
  await expect(open({ format: ['labelme'] })).rejects.toThrow(
    "--format labelme links the image's file, and standard input has none; save it first",
  );
  await expect(open({ format: ['svg'] })).rejects.toThrow(/add --embed-image, or save it first$/);
  const results = await open({ format: ['svg', 'coco-text'], embedImage: true });
  expect((await results.write(images[0], { image, found }, undefined)).paths).toEqual(
    ['stdin.overlay.png', 'stdin.svg'].map((name) => inFolder('of-stdin', name)),
  );
  expect(readFileSync(inFolder('of-stdin/stdin.svg'), 'utf8')).toContain('data:image/png;base64,');
  await results.finish();
  expect(readFileSync(inFolder('of-stdin/coco-text.json'), 'utf8')).toContain(
    '"file_name":"stdin"',
  );
});
