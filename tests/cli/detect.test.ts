import { setTimeout as delay } from 'node:timers/promises';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { platform } from 'node:os';
import { pathToFileURL } from 'node:url';
import { PNG } from 'pngjs';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { packagedWeights } from '../../src/node.js';
import { bundledPath } from '../support/reference.js';
import {
  type Line,
  crop,
  detect,
  finished,
  inScratch,
  onAdapter,
  panpp,
  parseLines,
  read,
  refused,
  shownIn,
  small,
  start,
  write,
} from './cli.js';

const onLinux = platform() === 'linux';

/** Pictures that must look the same, by how they are written: the sign in colour, and in grey. */
const likeSign: Record<string, (sign: Sharp) => Promise<Buffer>> = {
  'interlaced.png': (sign) => sign.png({ progressive: true }).toBuffer(),
  '16-bit.png': (sign) => sixteenBit(sign),
  'alpha.png': (sign) => sign.ensureAlpha(0.3).png().toBuffer(),
  'lossless.webp': (sign) => sign.webp({ lossless: true }).toBuffer(),
  'animated.webp': (sign) => animated(sign),
  'a b ü [1].png': (sign) => sign.png().toBuffer(),
};
const likeGrey: Record<string, (sign: Sharp) => Promise<Buffer>> = {
  'grey.png': (sign) => sign.greyscale().png().toBuffer(),
  'palette.png': (sign) =>
    sign.greyscale().png({ palette: true, colours: 256, dither: 0 }).toBuffer(),
};

/** High bytes as they are, low bytes noise, which must not be seen. */
async function sixteenBit(sign: Sharp): Promise<Buffer> {
  const { data, info } = await sign.raw().toBuffer({ resolveWithObject: true });
  const png = new PNG({ width: info.width, height: info.height });
  png.data = Buffer.from(
    Uint16Array.from(data, (value, index) => 256 * value + ((index * 77) & 255)).buffer,
  );
  return PNG.sync.write(png, {
    bitDepth: 16,
    colorType: 2,
    inputColorType: 2,
    inputHasAlpha: false,
  });
}

async function animated(first: Sharp): Promise<Buffer> {
  const { width = 1, height = 1 } = await sharp(await first.clone().png().toBuffer()).metadata();
  const blank = await sharp({ create: { width, height, channels: 3, background: 'white' } })
    .png()
    .toBuffer();
  return sharp([await first.png().toBuffer(), blank], { join: { animated: true } })
    .webp({ lossless: true, delay: [100, 100] })
    .toBuffer();
}

function regionsOf(lines: readonly Line[], name: string) {
  const line = lines.find(({ file }) => file.endsWith(name));
  expect(line?.error, name).toBeUndefined();
  return line!.regions;
}

beforeAll(async () => {
  for (const name of ['sign', 'bread', 'open'] as const)
    write(`${name}.png`, await (await crop(name)).png().toBuffer());
});

describe('detect', () => {
  it('reads pictures of every kind in a folder, and reports why others can’t be read', async () => {
    mkdirSync(inScratch('kinds/broken'), { recursive: true });
    for (const [name, encode] of Object.entries({ ...likeSign, ...likeGrey }))
      write(`kinds/${name}`, await encode(await crop('sign')));
    write(
      'kinds/cmyk.jpg',
      await (await crop('sign')).toColourspace('cmyk').jpeg({ quality: 98 }).toBuffer(),
    );
    write(
      'kinds/one-pixel.png',
      await sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
    );
    const whole = {
      png: await (await crop('bread')).png().toBuffer(),
      jpg: await (await crop('bread')).jpeg().toBuffer(),
      webp: await (await crop('bread')).webp().toBuffer(),
    };
    for (const [ending, bytes] of Object.entries(whole))
      write(`kinds/broken/half.${ending}`, bytes.subarray(0, bytes.length >> 1));
    write('kinds/broken/empty.png', '');
    write('kinds/broken/page.png', '<!DOCTYPE html><title>404</title>');
    write('kinds/broken/gif.png', await (await crop('bread')).gif().toBuffer());
    write(
      'kinds/broken/thin.png',
      await sharp({ create: { width: 100_000, height: 1, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
    );

    const { code, lines, messages, adapterLines } = await detect([
      'kinds',
      'sign.png',
      'missing.png',
      '--no-overlay',
    ]);
    expect(code).toBe(1);
    // Folders in the order of names, then what was named next.
    const kinds = Object.keys({ ...likeSign, ...likeGrey });
    expect(
      lines
        .filter(({ error }) => !error)
        .map(({ file }) => file)
        .sort(),
    ).toEqual(
      [...kinds, 'cmyk.jpg', 'one-pixel.png']
        .map((name) => `kinds/${name}`)
        .concat('sign.png')
        .sort(),
    );
    expect(lines.slice(-2).map(({ file }) => file)).toEqual(['sign.png', 'missing.png']);

    const sign = regionsOf(lines, 'sign.png');
    expect(sign).toHaveLength(3);
    for (const name of Object.keys(likeSign)) expect(regionsOf(lines, name), name).toEqual(sign);
    const grey = regionsOf(lines, 'grey.png');
    expect(grey).toHaveLength(3);
    expect(regionsOf(lines, 'palette.png')).toEqual(grey);
    expect(regionsOf(lines, 'cmyk.jpg')).toHaveLength(3);
    expect(regionsOf(lines, 'one-pixel.png')).toEqual([]);

    const reasons: Record<string, RegExp> = {
      'kinds/broken/half.png': /truncated or damaged PNG/,
      'kinds/broken/half.jpg': /truncated or damaged JPEG/,
      'kinds/broken/half.webp': /truncated or damaged WebP/,
      'kinds/broken/empty.png': /the file is empty/,
      'kinds/broken/page.png': /this is an HTML page; a PNG, JPEG or WebP file is needed/,
      'kinds/broken/gif.png': /this is a GIF image/,
      'kinds/broken/thin.png': /100000 x 1 pixels becomes .* choose a smaller short side/,
      'missing.png': /no such file/,
    };
    const failed = lines.filter(({ error }) => error);
    expect(failed.map(({ file }) => file).sort()).toEqual(Object.keys(reasons).sort());
    for (const { file, error } of failed) {
      expect(error, file).toMatch(reasons[file]);
      expect(error!.startsWith(`${file}: `), error).toBe(true);
      expect(messages).toContain(`panpp: ${error}`);
    }
    expect(messages).toHaveLength(failed.length);
    expect(adapterLines).toHaveLength(1);
  });

  it('prints sizes, polygons, boxes, scores and timings', async () => {
    const { code, lines, messages } = await detect([
      'bread.png',
      '--no-overlay',
      '--format',
      'json',
      '--output',
      'json',
      '--precision',
      'auto',
    ]);
    expect({ code, messages }).toEqual({ code: 0, messages: ['panpp: wrote json/bread.json'] });
    expect(JSON.parse(read('json/bread.json').toString())).toEqual(lines[0]);
    const [{ file, width, height, regions, timings }] = lines;
    expect({ file, width, height }).toEqual({ file: 'bread.png', width: 192, height: 128 });
    for (const { polygon, box, score, area } of regions) {
      expect(polygon).toHaveLength(4);
      expect(Object.keys(box)).toEqual(['left', 'top', 'right', 'bottom']);
      expect(score).toBeGreaterThanOrEqual(0.85);
      expect(area).toBeGreaterThan(0);
    }
    // "FRESH", "BREAD", "Cakes"
    expect(regions).toHaveLength(3);
    expect(timings.total).toBeGreaterThan(0);
  });

  it('refuses to store maps in 16 bits if the adapter can’t', async () => {
    const { code, messages } = await panpp([
      'detect',
      'bread.png',
      '--no-overlay',
      '--adapter',
      'swiftshader',
      '--precision',
      'f16',
    ]);
    expect(code).toBe(2);
    expect(messages.at(-1)).toMatch(
      /^panpp: SwiftShader.* has no shader-f16, which f16 needs; take auto or f32/,
    );
    expect((await panpp(['detect', 'bread.png', '--precision', 'f8'])).messages.join()).toMatch(
      /Allowed choices are f32, f16, auto/,
    );
  });

  it('heeds its settings', async () => {
    const ofBread = async (...args: string[]) =>
      (await detect(['bread.png', '--no-overlay', ...args])).lines[0].regions;
    const large = await ofBread('--min-area', '10000');
    expect(large.map(({ area }) => area * 16 >= 10_000)).toEqual([true, true]);
    const outlines = await ofBread(
      '--bbox',
      'poly',
      '--format',
      'totaltext',
      '--output',
      'totaltext',
    );
    const yFirst = outlines.map(
      ({ polygon }) => `${polygon.map(([x, y]) => `${y},${x}`).join(',')}\n`,
    );
    expect(read('totaltext/bread.txt').toString()).toBe(yFirst.join(''));
    const simple = await ofBread(
      '--bbox',
      'poly',
      '--tolerance',
      '3',
      '--format',
      'iou',
      '--output',
      'iou',
    );
    expect(read('iou/bread.txt').toString()).toBe(
      simple.map(({ polygon }) => `${polygon.flat().join(',')}\n`).join(''),
    );
    expect(simple.map(({ area }) => area)).toEqual(outlines.map(({ area }) => area));
    const corners = (regions: Line['regions']) =>
      regions.reduce((sum, { polygon }) => sum + polygon.length, 0);
    expect(corners(simple)).toBeLessThan(corners(outlines));
  });
});

describe('result files', () => {
  it('are an overlay for a single image', async () => {
    const { code, messages } = await detect(['sign.png']);
    expect({ code, messages }).toEqual({
      code: 0,
      messages: ['panpp: wrote panpp-output/sign.overlay.png'],
    });
    const [before, after] = [
      PNG.sync.read(read('sign.png')),
      PNG.sync.read(read('panpp-output/sign.overlay.png')),
    ];
    expect([after.width, after.height]).toEqual([before.width, before.height]);
    expect(after.data.equals(before.data)).toBe(false);
  });

  it('hold the regions in each format', async () => {
    const { lines } = await detect([
      'sign.png',
      'bread.png',
      '--format',
      'icdar',
      '--masks',
      '--output',
      'icdar',
    ]);
    expect(shownIn('icdar')).toEqual([
      'bread.mask.png',
      'res_bread.txt',
      'res_sign.txt',
      'sign.mask.png',
    ]);
    for (const { file, width, height, regions } of lines) {
      const name = file.replace('.png', '');
      expect(read(`icdar/res_${name}.txt`).toString()).toBe(
        regions.map(({ polygon }) => `${polygon.flat().join(',')}\n`).join(''),
      );
      const mask = PNG.sync.read(read(`icdar/${name}.mask.png`));
      expect([mask.width, mask.height]).toEqual([width, height]);
      const labels = new Set(mask.data.filter((_, index) => index % 4 === 0));
      expect([...labels].sort((a, b) => a - b)).toEqual(
        Array.from({ length: regions.length + 1 }, (_, label) => label),
      );
    }
  });

  it('can be in several formats at once, for programs that find the image from there', async () => {
    mkdirSync(inScratch('street of ü'), { recursive: true });
    write('street of ü/a & b#1.jpg', await (await crop('sign')).jpeg().toBuffer());
    const args = [
      'street of ü',
      '--format',
      'svg,labelme',
      '--format',
      'icdar',
      '--output',
      'so/me',
    ];
    const { code, lines, messages } = await detect([...args, '--no-overlay']);
    expect({ code, messages }).toEqual({
      code: 0,
      messages: ['panpp: wrote so/me/res_a & b#1.txt, so/me/a & b#1.json, so/me/a & b#1.svg'],
    });
    const [{ width, height, regions }] = lines;
    expect(regions).toHaveLength(3);

    const labelme = JSON.parse(read('so/me/a & b#1.json').toString());
    expect(labelme).toMatchObject({ imageWidth: width, imageHeight: height, imageData: null });
    expect(existsSync(inScratch('so/me', labelme.imagePath))).toBe(true);
    expect(labelme.shapes).toEqual(
      regions.map(({ polygon, score }) => ({
        label: 'text',
        points: polygon,
        shape_type: 'polygon',
        description: JSON.stringify({ score }),
        group_id: null,
        flags: {},
        mask: null,
      })),
    );

    const svg = read('so/me/a & b#1.svg').toString();
    const href = /xlink:href="(.*?)"/.exec(svg)![1];
    expect(href).toBe('../../street%20of%20%C3%BC/a%20%26%20b%231.jpg');
    expect(existsSync(new URL(href, pathToFileURL(inScratch('so/me/a & b#1.svg'))))).toBe(true);
    const points = [...svg.matchAll(/<polygon points="(.*?)"/g)].map(([, list]) => list);
    expect(points).toEqual(regions.map(({ polygon }) => polygon.join(' ')));
  });

  it('can hold the image itself, where they are SVG', async () => {
    write('photo.jpg', await sharp(read('bread.png')).jpeg().toBuffer());
    write('wide.webp', await sharp(read('bread.png')).webp({ lossless: true }).toBuffer());
    const files = ['bread.png', 'photo.jpg', 'wide.webp'];
    const child = start([
      'detect',
      '-',
      ...files,
      '--format',
      'svg',
      '--embed-image',
      '--output',
      'embedded',
      ...small,
      ...onAdapter,
    ]);
    child.stdin!.end(read('bread.png'));
    const { code, stdout } = await finished(child);
    expect(code).toBe(0);
    expect(parseLines(stdout).map(({ file }) => file)).toEqual(['-', ...files]);
    for (const [name, file, type] of [
      ['stdin', 'bread.png', 'png'],
      ['bread', 'bread.png', 'png'],
      ['photo', 'photo.jpg', 'jpeg'],
      ['wide', 'wide.webp', 'png'],
    ]) {
      const svg = read(`embedded/${name}.svg`);
      if (name !== 'wide' && name !== 'stdin')
        expect(svg.toString()).toContain(
          `"data:image/${type};base64,${read(file).toString('base64')}"`,
        );
      // A renderer shows the image with some of it drawn over.
      const plain = await sharp(read(file)).removeAlpha().raw().toBuffer();
      const { data, info } = await sharp(svg)
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([info.width, info.height]).toEqual([192, 128]);
      const same = data.filter((value, i) => Math.abs(value - plain[i]) <= 2).length / data.length;
      expect(same, file).toBeGreaterThan(0.4);
      expect(same, file).toBeLessThan(0.95);
    }
  });

  it('can be one for the run, without what failed', async () => {
    mkdirSync(inScratch('many/deep'), { recursive: true });
    write('many/1.png', read('bread.png'));
    write('many/2.png', 'broken');
    write(
      'many/deep/3.png',
      await sharp({ create: { width: 192, height: 128, channels: 3, background: 'grey' } })
        .png()
        .toBuffer(),
    );
    const { code, lines, messages } = await detect([
      'many',
      '--format',
      'coco-text,json',
      '--output',
      'many/out',
    ]);
    expect(code).toBe(1);
    expect(messages.at(-1)).toBe('panpp: wrote many/out/coco-text.json');
    const coco = JSON.parse(read('many/out/coco-text.json').toString());
    const size = { set: 'val', width: 192, height: 128 };
    expect(coco.imgs).toEqual({
      1: { id: 1, ...size, file_name: '../1.png' },
      2: { id: 2, ...size, file_name: '../deep/3.png' },
    });
    expect(coco.imgToAnns).toEqual({ 1: [1, 2, 3], 2: [] });
    const bread = lines.find(({ file }) => file === 'many/1.png')!.regions;
    expect(
      Object.values<Record<string, unknown>>(coco.anns).map(({ mask, score }) => ({ mask, score })),
    ).toEqual(bread.map(({ polygon, score }) => ({ mask: polygon.flat(), score })));
    expect(shownIn('many/out')).toEqual(['1.json', 'coco-text.json', 'deep', 'deep/3.json']);
  });

  it('never overwrite one another', async () => {
    for (const name of ['res_sign.png', 'coco-text.png']) write(name, read('sign.png'));
    const twice = (...args: string[]) => refused(['detect', ...args, '--output', 'twice']);
    expect(await twice('sign.png', 'res_sign.png', '--format', 'icdar,totaltext')).toMatch(
      /^panpp: twice\/res_sign\.txt would be written twice, as icdar of sign\.png and totaltext of res_sign\.png; ask for one/,
    );
    expect(await twice('coco-text.png', '--format', 'json,coco-text')).toMatch(
      /^panpp: twice\/coco-text\.json would be written twice, as coco-text of the run and json of coco-text\.png; /,
    );
    expect(existsSync(inScratch('twice'))).toBe(false);
  });

  it('of images of the same name have names of their own', async () => {
    mkdirSync(inScratch('album/holiday'), { recursive: true });
    for (const name of ['album/a.png', 'album/holiday/a.png', 'album/b.PNG'])
      write(name, read('bread.png'));
    write('album/a.jpg', await (await crop('bread')).jpeg().toBuffer());
    const args = [
      'album',
      'album/holiday/*.png',
      'sign.png',
      './sign.png',
      '--overlay',
      '--output',
      'album/out',
    ];
    const { code, lines } = await detect(args);
    expect(code).toBe(0);
    expect(lines.map(({ file }) => file)).toEqual([
      'album/a.jpg',
      'album/a.png',
      'album/b.PNG',
      'album/holiday/a.png',
      'sign.png',
      './sign.png',
    ]);
    const written = ['a', 'holiday/a', 'a-2', 'b', 'sign', 'sign-2'].map(
      (name) => `${name}.overlay.png`,
    );
    expect(shownIn('album/out')).toEqual([...written, 'holiday'].sort());
  });

  it('that can’t be written don’t lose the result', async () => {
    mkdirSync(inScratch('taken/sign.overlay.png'), { recursive: true });
    const { code, lines, messages } = await detect([
      'sign.png',
      'bread.png',
      '--overlay',
      '--output',
      'taken',
    ]);
    expect(code).toBe(1);
    expect(lines.map(({ file, error }) => [file, error])).toEqual([
      ['sign.png', undefined],
      ['bread.png', undefined],
    ]);
    expect(messages).toEqual([
      "panpp: taken/sign.overlay.png: can't be written: is a folder",
      'panpp: wrote taken/bread.overlay.png',
    ]);
    // No drafts stay behind.
    expect(shownIn('taken')).toEqual(['bread.overlay.png', 'sign.overlay.png']);
  });

  it('need a folder that can be written to, before any work', async () => {
    write('file', '');
    const withOutput = (folder: string) => refused(['detect', 'sign.png', '--output', folder]);
    expect(await withOutput('file')).toBe(
      "panpp: file: can't be used as output folder: there is a file where a folder should be",
    );
    expect(await withOutput('file/below')).toBe(
      "panpp: file/below: can't be used as output folder: a part of the path is a file, not a folder",
    );
    if (onLinux)
      expect(await withOutput('/proc/panpp/out')).toMatch(
        /^panpp: \/proc\/panpp\/out: can't be used as output folder: /,
      );
  });
});

describe('inputs', () => {
  it('without images are reported, and the rest is done', async () => {
    mkdirSync(inScratch('nothing'));
    // A terminal would obey this name.
    const strange = 'line\nbreak\u001b[31m.png';
    const { code, lines, messages } = await detect([
      'nothing',
      'none*.png',
      strange,
      'bread.png',
      '--no-overlay',
    ]);
    expect(code).toBe(1);
    expect(lines.map(({ file, error }) => [file, error])).toEqual([
      ['nothing', 'nothing: no PNG, JPEG or WebP files found'],
      ['none*.png', 'none*.png: no PNG, JPEG or WebP files found'],
      [strange, 'line?break?[31m.png: no such file or folder'],
      ['bread.png', undefined],
    ]);
    expect(messages.at(-1)).toBe('panpp: line?break?[31m.png: no such file or folder');
    expect(await refused(['detect', 'nothing'])).toBe(
      'panpp: nothing: no PNG, JPEG or WebP files found',
    );
  });

  it('of 100 megapixels take seconds and less than 2 GB', async () => {
    const uniform = sharp({
      create: { width: 10_000, height: 10_000, channels: 3, background: '#5a788c' },
    });
    await uniform.png({ compressionLevel: 1 }).toFile(inScratch('large.png'));
    write(
      'peak.mjs',
      "import { writeFileSync } from 'node:fs';\nprocess.on('exit', () => writeFileSync('peak', String(process.resourceUsage().maxRSS)));\n",
    );
    const begin = performance.now();
    const child = start(['detect', 'large.png', ...small, ...onAdapter], {
      NODE_OPTIONS: `--import=${pathToFileURL(inScratch('peak.mjs')).href}`,
    });
    const { code, stdout } = await finished(child);
    const seconds = (performance.now() - begin) / 1000;
    const peak = Number(read('peak').toString()) / 2 ** 20;
    console.log(`100 megapixels with overlay: ${seconds.toFixed(1)} s, ${peak.toFixed(2)} GiB`);
    expect(code).toBe(0);
    const [{ width, height, regions }] = parseLines(stdout);
    expect({ width, height, regions }).toEqual({ width: 10_000, height: 10_000, regions: [] });
    expect(existsSync(inScratch('panpp-output/large.overlay.png'))).toBe(true);
    expect(seconds).toBeLessThan(30);
    expect(peak).toBeLessThan(2);
    for (const name of ['large.png', 'panpp-output/large.overlay.png']) rmSync(inScratch(name));
  });
});

it('ends without an error when its reader closes early', async () => {
  const images = ['sign.png', 'bread.png', 'open.png'].flatMap((name) => [name, `./${name}`]);
  const child = start(['detect', ...images, '--no-overlay', ...small, ...onAdapter]);
  child.stdout!.once('data', () => child.stdout!.destroy());
  const { code, messages } = await finished(child);
  expect({ code, messages }).toEqual({ code: 0, messages: [] });
});

async function waitFor(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(5);
}

describe('a run with files', () => {
  const images = ['img_1', 'img_2', 'img_3'];
  const inputs = images.map((name) => `series/${name}.png`);
  const options = ['--format', 'coco-text,json', '--output', 'series', ...small, ...onAdapter];
  const resumed = ['detect', ...inputs, ...options, '--resume'];
  const imagesInCoco = () =>
    Object.keys((JSON.parse(read('series/coco-text.json').toString()) as { imgs: object }).imgs)
      .length;

  it('leaves complete files when interrupted, reports what is missing, and continues with --resume', async () => {
    mkdirSync(inScratch('series'));
    for (const path of inputs) write(path, read('bread.png'));
    // It waits for the third image, which never comes.
    const child = start(['detect', ...inputs.slice(0, 2), '-', inputs[2], ...options]);
    void waitFor(() => existsSync(inScratch('series/img_2.json'))).then(() => child.kill('SIGINT'));
    const { code, stdout, messages } = await finished(child);
    expect(code).toBe(1);
    expect(messages.slice(-2)).toEqual([
      'panpp: wrote series/coco-text.json',
      'panpp: interrupted, 2 of 4 images are done; the same command with --resume continues',
    ]);
    const before = parseLines(stdout);
    expect(imagesInCoco()).toBe(2);
    const done = images.slice(0, 2).map((name) => `series/${name}.json`);
    expect(done.map((name) => JSON.parse(read(name).toString()) as Line)).toEqual(before);
    expect(existsSync(inScratch('series/img_3.json'))).toBe(false);
    const times = done.map((name) => statSync(inScratch(name)).mtimeMs);

    const rest = await panpp(resumed);
    expect({ code: rest.code, messages: rest.messages }).toEqual({
      code: 0,
      messages: [
        'panpp: 2 of 3 images were done before',
        'panpp: wrote series/img_3.json',
        'panpp: wrote series/coco-text.json',
      ],
    });
    const lines = parseLines(rest.stdout);
    expect(lines.map(({ file }) => file)).toEqual(inputs);
    expect(lines.slice(0, 2)).toEqual(before);
    expect(done.map((name) => statSync(inScratch(name)).mtimeMs)).toEqual(times);
    expect(imagesInCoco()).toBe(3);
  });

  // All is done by now, so no adapter is opened.
  it('writes them even if its reader closes early', async () => {
    rmSync(inScratch('series/coco-text.json'));
    const child = start(resumed);
    child.stdout!.destroy();
    expect(await finished(child)).toMatchObject({
      code: 0,
      messages: ['panpp: 3 of 3 images were done before', 'panpp: wrote series/coco-text.json'],
    });
    expect(imagesInCoco()).toBe(3);
  });

  it.runIf(existsSync('/dev/full'))(
    'writes them even if stdout is on a full disk, with a message',
    async () => {
      rmSync(inScratch('series/coco-text.json'));
      const full = openSync('/dev/full', 'w');
      const { code, messages } = await finished(start(resumed, {}, ['pipe', full, 'pipe']));
      closeSync(full);
      expect({ code, messages: [...messages].sort() }).toEqual({
        code: 1,
        messages: [
          'panpp: 3 of 3 images were done before',
          "panpp: standard output: can't be written: no space left on the device",
          'panpp: wrote series/coco-text.json',
        ],
      });
      expect(imagesInCoco()).toBe(3);
    },
  );
});

describe('weights', () => {
  it('are named if they can’t be read', async () => {
    const withWeights = (path: string) =>
      refused(['detect', 'sign.png', '--no-overlay', ...onAdapter, '--weights', path]);
    expect(await withWeights('nowhere.safetensors')).toBe(
      'panpp: nowhere.safetensors: no such file or folder',
    );
    expect(await withWeights('.')).toBe('panpp: .: is a folder');
    write('empty.safetensors', '');
    expect(await withWeights('empty.safetensors')).toMatch(
      /^panpp: empty\.safetensors: too short for a safetensors file .*panpp convert/,
    );
    const weights = readFileSync(packagedWeights());
    write('truncated.safetensors', weights.subarray(0, weights.length - 1000));
    expect(await withWeights('truncated.safetensors')).toMatch(
      /^panpp: truncated\.safetensors: .*panpp convert/,
    );
    const foreign = bundledPath('checkpoints/expected.safetensors');
    expect(await withWeights(foreign)).toMatch(
      /expected\.safetensors was not made by panpp; make one with: panpp convert/,
    );
    const checkpoint = bundledPath('checkpoints/plain.zip.pth');
    expect(await withWeights(checkpoint)).toMatch(
      /plain\.zip\.pth: not a safetensors file.*panpp convert/,
    );
    const other = Buffer.from(weights);
    const at = other.indexOf('\\"fpems\\":2');
    expect(at).toBeGreaterThan(0);
    other.write('3', at + '\\"fpems\\":'.length);
    write('other.safetensors', other);
    expect(await withWeights('other.safetensors')).toMatch(/^panpp: other\.safetensors.*fpem3/);
  });
});

describe('wrong usage', () => {
  const cases: [string[], RegExp][] = [
    [[], /missing required argument 'images'/],
    [['sign.png', '--colour'], /unknown option '--colour'/],
    [['sign.png', '--short-side', '16'], /--short-side.*whole number from 32 to 8192/],
    [['sign.png', '--short-side', '100.5'], /whole number/],
    [['sign.png', '--max-side', '31'], /--max-side.*whole number from 32 to 1000000/],
    [['sign.png', '--tile-side', '512'], /--tile-side.*whole number from 768 to 1000000/],
    [['sign.png', '--tile-side', '4096.5'], /--tile-side.*whole number from 768 to 1000000/],
    [['sign.png', '--tile-side', '1000001'], /--tile-side.*whole number from 768 to 1000000/],
    [['sign.png', '--min-score', 'high'], /number from 0 to 1/],
    [['sign.png', '--bbox', 'circle'], /Allowed choices are rect, poly/],
    [
      ['sign.png', '--format', 'xml'],
      /Allowed choices are json, icdar, totaltext, iou, labelme, hocr, svg, coco-text/,
    ],
    [['sign.png', '--format', 'json,'], /Allowed choices are json/],
    [['sign.png', '--format', 'hocr'], /--format hocr needs recognised text; use panpp spot/],
    [
      ['sign.png', '--embed-image', '--format', 'json'],
      /--embed-image is for SVG; add --format svg/,
    ],
    [
      ['sign.png', '--format', 'json,labelme'],
      /panpp-output\/sign\.json would be written twice, as json of sign\.png and labelme of sign\.png; .* --output$/,
    ],
    [['sign.png', '--adapter', 'abacus'], /no WebGPU adapter matches "abacus"; there are: /],
    [
      ['sign.png', '--tolerance', '2', '--no-overlay', ...onAdapter],
      /tolerance \(--tolerance\) is for outlines; set bbox \(--bbox\) to poly/,
    ],
  ];
  it.each(cases)('is exit code 2: %j', async (args, message) => {
    const { code, stdout, messages } = await panpp(['detect', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(messages[0]).toMatch(message);
  });

  it('of the program itself too', async () => {
    expect((await panpp(['detekt', 'sign.png'])).code).toBe(2);
    expect((await panpp([])).code).toBe(2);
    expect(await panpp(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      messages: [],
    });
    expect((await panpp(['detect', '--help'])).stdout).toMatch(
      /--short-side[^]*--max-side[^]*--tile-side/,
    );
  });
});
