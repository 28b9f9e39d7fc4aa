import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { type ImageRegions, formatCocoText } from '../../src/formats/coco-text.js';
import { type Part, joined, rosterOfNames, rosterOfPaths } from '../../src/cli/merge/join.js';
import { finished, inScratch, panpp, read, refused, shownIn, start, write } from './cli.js';

describe('joined', () => {
  const isSame = (a: number, b: number) => a === b;
  const partOf = (path: string, values: Readonly<Record<string, number>>): Part<number> => ({
    path,
    results: Object.entries(values).map(([image, value]) => ({ image, value, failed: false })),
  });

  it('results are those of all parts, however they were split and ordered', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.nat()), {
          selector: ([name]) => name,
        }),
        fc.array(fc.nat(3), { minLength: 1 }),
        fc.boolean(),
        (entries, places, isReversed) => {
          const parts = [0, 1, 2, 3].map((number) => ({
            path: `${number}`,
            results: entries
              .filter((_, index) => places[index % places.length] === number)
              .map(([image, value]) => ({ image, value, failed: false })),
          }));
          const all = joined(isReversed ? parts.reverse() : parts, isSame);
          expect(new Map(all.map(({ image, value }) => [image, value]))).toEqual(new Map(entries));
          expect(all).toHaveLength(entries.length);
          const again = joined([{ path: 'all', results: [...all].reverse() }], isSame);
          expect(again.map(({ image }) => image)).toEqual(all.map(({ image }) => image));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are in natural order, or in that of the images', () => {
    const parts = [partOf('1', { img_10: 1, ä: 2 }), partOf('2', { img_2: 3, a: 4, b: 5 })];
    const names = (results: readonly { image: string }[]) => results.map(({ image }) => image);
    expect(names(joined(parts, isSame))).toEqual(['a', 'ä', 'b', 'img_2', 'img_10']);
    const order = ['b', 'img_10', 'a', 'img_2', 'ä'];
    const roster = rosterOfNames(order.map((name) => ({ name, spellings: [name] })));
    expect(names(joined(parts, isSame, roster))).toEqual(order);
  });

  it('name what is missing, too much, or there twice', () => {
    const names = Array.from({ length: 9 }, (_, index) => `${index + 1}`);
    const roster = rosterOfNames(names.map((name) => ({ name, spellings: [name, `res_${name}`] })));
    expect(() => joined([partOf('p', { 1: 0, res_2: 0 })], isSame, roster)).toThrow(
      '7 of 9 images have no result: 3, 4, 5, 6, 7 and 2 more; run their shards again',
    );
    expect(() => joined([partOf('p', { 10: 0 })], isSame, roster)).toThrow(
      'p: 10 is none of --images',
    );
    expect(() => joined([partOf('p', { a: 1 }), partOf('q', { a: 2 })], isSame)).toThrow(
      'a: different results in p and in q; join shards of one run, with the same weights and settings',
    );
    // Two names of one image.
    expect(() => joined([partOf('p', { 1: 1, res_1: 2 })], isSame, roster)).toThrow(
      'res_1: different results twice in p',
    );
    expect(joined([partOf('p', { a: 1 }), partOf('q', { a: 1 })], isSame)).toHaveLength(1);
  });

  it('match images by the longest end of a path', () => {
    const here = (...keys: string[]) =>
      rosterOfPaths(keys.map((key) => ({ path: `photos/${key}`, key })));
    const { placeOf } = here('a.png', 'sub/a.png', 'b.png');
    for (const [image, place] of [
      ['photos/a.png', 0],
      ['/data/a.png', 0],
      ['../../photos/./a.png', 0],
      ['/data/sub/a.png', 1],
      ['photos/sub/a.png', 1],
      ['/data/other/sub/b.png', 2],
      ['/data/c.png', undefined],
      ['a.png/', 0],
    ] as const)
      expect(placeOf(image, ''), image).toBe(place);
    // Without it the file in the folder below stands for none but itself.
    expect(here('sub/a.png').placeOf('photos/a.png', '')).toBeUndefined();
    // The same key in two folders: only the path tells.
    const two = rosterOfPaths(
      ['x', 'y'].map((folder) => ({ path: `${folder}/a.png`, key: 'a.png' })),
    );
    expect(
      ['x/a.png', '/data/y/a.png', '/data/a.png'].map((image) => two.placeOf(image, '')),
    ).toEqual([0, 1, undefined]);
  });
});

const line = (file: string, ...scores: number[]) =>
  `${JSON.stringify({ file, width: 9, height: 9, regions: scores.map((score) => ({ score })), timings: { total: Math.random() } })}\n`;
const failure = (file: string, error = 'it is damaged') => `${JSON.stringify({ file, error })}\n`;

describe('JSON lines', () => {
  it('are joined byte for byte, to standard output or a file', async () => {
    const [a, b, c] = [line('p/img_1.png', 0.9), line('p/img_2.png'), line('p/img_10.png', 1)];
    write('1.jsonl', c + a);
    write('2.jsonl', '');
    // A file for each image, as --format json writes; the end of the last line is missing.
    write('3.json', `\n${b.trimEnd()}`);
    const parts = ['merge', '1.jsonl', '2.jsonl', '3.json'];
    const printed = await panpp(parts);
    expect(printed).toMatchObject({
      code: 0,
      stdout: a + b + c,
      messages: ['panpp: 3 images of 3 parts'],
    });
    const written = await panpp([
      'merge',
      '[123].json*',
      '--output',
      'new/all.jsonl',
      '--shards',
      '3',
    ]);
    expect(written).toMatchObject({
      code: 0,
      stdout: '',
      messages: ['panpp: wrote new/all.jsonl, 3 images of 3 parts'],
    });
    expect(read('new/all.jsonl').toString()).toBe(a + b + c);
    expect(readdirSync(inScratch('new'))).toEqual(['all.jsonl']);
  });

  it('of one image may be the same twice, but not different', async () => {
    const [before, after] = [line('a.png', 0.5), line('a.png', 0.5)];
    expect(before).not.toBe(after);
    write('before.jsonl', before);
    write('after.jsonl', after);
    write('other.jsonl', line('b.png') + line('a.png', 0.6));
    expect((await panpp(['merge', 'before.jsonl', 'after.jsonl'])).stdout).toBe(before);
    expect(await refused(['merge', 'before.jsonl', 'other.jsonl', '--output', 'never.jsonl'])).toBe(
      'panpp: a.png: different results in before.jsonl and in other.jsonl; join shards of one run, with the same weights and settings',
    );
    expect(existsSync(inScratch('never.jsonl'))).toBe(false);
  });

  it('tell which images failed; a result counts more', async () => {
    write('bad.jsonl', failure('a.png') + failure('b.png') + failure('b.png', 'another reason'));
    write('good.jsonl', line('a.png', 0.5));
    const { code, stdout, messages } = await panpp(['merge', 'bad.jsonl', 'good.jsonl']);
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: read('good.jsonl').toString() + failure('b.png'),
    });
    expect(messages).toEqual([
      'panpp: a.png failed in bad.jsonl; its result in good.jsonl is taken',
      'panpp: 2 images of 2 parts; failed: b.png',
    ]);
  });

  it('are checked against the images, and come in their order', async () => {
    for (const folder of ['y', 'x/sub', 'empty']) mkdirSync(inScratch(folder), { recursive: true });
    const files = ['y/2.png', 'y/10.png', 'x/1.png', 'x/sub/1.png'];
    for (const file of files) write(file, '');
    const noImages = failure('empty', 'empty: no PNG, JPEG or WebP files found');
    write('yx-1.jsonl', noImages + line(files[1]) + line(files[3]));
    write('yx-2.jsonl', noImages + line(files[0]) + line(files[2]));
    const all = ['merge', 'yx-2.jsonl', 'yx-1.jsonl'];
    const from = ['y', 'empty', 'x'].flatMap((folder) => ['--images', folder]);
    const { code, stdout } = await panpp([...all, ...from]);
    expect(code).toBe(1);
    const order = stdout
      .trimEnd()
      .split('\n')
      .map((text) => (JSON.parse(text) as { file: string }).file);
    expect(order).toEqual(['empty', ...files]);
    expect(await refused(['merge', 'yx-2.jsonl', ...from])).toBe(
      'panpp: 2 of 5 images have no result: y/10.png, x/sub/1.png; run their shards again',
    );
    expect(await refused([...all, ...from.slice(0, 4)])).toBe(
      'panpp: yx-2.jsonl: x/1.png is none of --images',
    );
    expect(await refused([...all, '--images', 'empty'])).toMatch(/^panpp: empty: no PNG/);
    expect(await refused([...all, '--shards', '3'])).toBe(
      'panpp: --shards 3, but there are 2 parts: yx-2.jsonl, yx-1.jsonl',
    );
  });

  it.each([
    [
      'cut',
      line('a.png') + line('b.png').slice(0, 30),
      'cut, line 2: not complete JSON; if its run was interrupted, run that shard again',
    ],
    ['text', 'hello\n', 'text, line 1: not complete JSON'],
    ['number', `${line('a.png')}7\n`, 'number, line 2: not a result of panpp'],
    ['null', 'null\n', 'null, line 1: not a result of panpp'],
    ['list', '[]', 'list, line 1: not a result of panpp'],
    [
      'labelme',
      '{"version":"5","shapes":[],"imagePath":"a.png"}',
      'labelme, line 1: not a result of panpp',
    ],
    ['no-file', '{"regions":[]}', 'no-file, line 1: not a result'],
    ['no-regions', '{"file":"a.png"}', 'no-regions, line 1: not a result'],
    ['latin1', Buffer.from(line('caf\xe9.png'), 'latin1'), 'latin1: not UTF-8 text'],
    ['utf16', Buffer.from(`\ufeff${line('a.png')}`, 'utf16le'), 'utf16: not UTF-8 text'],
    ['nothing', '', 'no results in nothing'],
    ['blank', '\n \r\n', 'no results in blank'],
  ])('that are broken are refused: %s', async (name, content, message) => {
    write(name, content);
    expect(await refused(['merge', name, '--output', 'of-broken'])).toContain(`panpp: ${message}`);
    expect(existsSync(inScratch('of-broken'))).toBe(false);
  });

  it('replace a file only with --overwrite, and never a part', async () => {
    write('part.jsonl', line('a.png'));
    expect(await refused(['merge', 'part.jsonl', '--overwrite'])).toBe(
      'panpp: --overwrite is for --output',
    );
    write('mine.jsonl', 'precious');
    const to = (output: string) => ['merge', 'part.jsonl', '--output', output];
    expect(await refused(to('mine.jsonl'))).toBe(
      'panpp: mine.jsonl: is there already; --overwrite replaces it',
    );
    expect(read('mine.jsonl').toString()).toBe('precious');
    for (const more of [['--overwrite'], []])
      expect((await panpp([...to('mine.jsonl'), ...more])).code).toBe(0);
    expect(read('mine.jsonl')).toEqual(read('part.jsonl'));
    symlinkSync('part.jsonl', inScratch('link.jsonl'));
    for (const name of ['part.jsonl', './link.jsonl'])
      expect(await refused([...to(name), '--overwrite'])).toMatch(
        /which is read|the file that is read/,
      );
    mkdirSync(inScratch('folder.jsonl'));
    expect(await refused(to('folder.jsonl'))).toBe(
      "panpp: folder.jsonl: can't be written: is a folder",
    );
  });

  it('end without an error when nobody reads them', async () => {
    write('many.jsonl', Array.from({ length: 5000 }, (_, index) => line(`${index}.png`)).join(''));
    const child = start(['merge', 'many.jsonl']);
    child.stdout!.destroy();
    expect(await finished(child)).toMatchObject({
      code: 0,
      messages: ['panpp: 5000 images of 1 part'],
    });
  });
});

describe('coco-text files', () => {
  const box = { left: 0, top: 0, right: 9, bottom: 9 };
  const polygon = [
    [0, 0],
    [8, 0],
    [8, 8],
  ] as const;
  const imageOf = (path: string, ...scores: number[]): ImageRegions => ({
    image: { path, width: 9, height: 9 },
    regions: scores.map((score) => ({ polygon, box, score, text: 'a', textScore: score })),
  });
  const version = { version: '1' };
  const images = [imageOf('img_1.png', 0.5, 0.25), imageOf('img_2.png'), imageOf('img_10.png', 1)];

  it('are numbered as those of one run', async () => {
    const whole = formatCocoText(images, version);
    write('coco.1-of-3.json', formatCocoText([images[2], images[0]], version));
    // Somebody has looked at it with a tool that indents.
    write(
      'coco.2-of-3.json',
      JSON.stringify(JSON.parse(formatCocoText([images[1]], version)), undefined, 1),
    );
    write('coco.3-of-3.json', formatCocoText([], version));
    const { code, stdout, messages } = await panpp(['merge', 'coco.*-of-3.json']);
    expect({ code, messages }).toEqual({ code: 0, messages: ['panpp: 3 images of 3 parts'] });
    expect(stdout).toBe(whole);
    mkdirSync(inScratch('coco'));
    for (const { image } of images) write(`coco/${image.path}`, '');
    expect((await panpp(['merge', 'coco.*-of-3.json', '--images', 'coco'])).stdout).toBe(whole);
    expect(await refused(['merge', 'coco.[23]-of-3.json', '--images', 'coco'])).toBe(
      'panpp: 2 of 3 images have no result: coco/img_1.png, coco/img_10.png; run their shards again',
    );
  });

  it('that do not fit are refused', async () => {
    write('c1.json', formatCocoText(images, version));
    write('c2.json', formatCocoText([imageOf('img_1.png', 0.5, 0.75)], version));
    write('c3.json', formatCocoText([imageOf('img_3.png')], { version: '2' }));
    write('lines.jsonl', line('img_3.png'));
    expect(await refused(['merge', 'c1.json', 'c2.json'])).toMatch(
      /^panpp: img_1\.png: different results in c1\.json and in c2\.json/,
    );
    expect(await refused(['merge', 'c1.json', 'c3.json'])).toMatch(
      /^panpp: c1\.json and c3\.json have different info/,
    );
    expect(await refused(['merge', 'c1.json', 'lines.jsonl'])).toBe(
      'panpp: c1.json is coco-text, lines.jsonl is JSON lines; join each kind by itself',
    );
    const good = JSON.parse(formatCocoText(images, version)) as Record<
      string,
      Record<string, unknown>
    >;
    for (const [broken, message] of [
      [{ imgs: { 1: {} } }, 'image 1 has no file_name'],
      [{ imgs: { 1: null } }, 'image 1 has no file_name'],
      [{ imgToAnns: {} }, 'imgToAnns has no list for image 1'],
      [{ imgToAnns: { ...good.imgToAnns, 1: [99] } }, 'image 1 has no annotation 99'],
      [{ imgToAnns: { ...good.imgToAnns, 1: [{}] } }, 'image 1 has no annotation {}'],
      [{ anns: [] }, 'line 1: not a result of panpp'],
    ] as const) {
      write('broken.json', JSON.stringify({ ...good, ...broken }));
      expect(await refused(['merge', 'broken.json'])).toContain(message);
    }
    write('cut.json', formatCocoText(images, version).slice(0, -20));
    expect(await refused(['merge', 'cut.json'])).toContain('cut.json, line 1: not complete JSON');
  });
});

describe('result files', () => {
  const put = (folder: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(inScratch(folder), { recursive: true });
    for (const [name, text] of Object.entries(files)) write(`${folder}/${name}`, text);
  };

  it('are joined from folders and archives to a folder or an archive', async () => {
    put('r1', { 'res_img_1.txt': '1,1\n', '.hidden': 'x' });
    write(
      'r2.zip',
      zipSync({ 'submit/res_img_2.txt': strToU8(''), 'submit/res_img_3.txt': strToU8('3\n') }),
    );
    put('img', { 'img_1.png': '', 'img_2.jpg': '', 'img_3.png': '' });
    const parts = ['merge', 'r1', 'r2.zip'];
    expect((await panpp(parts)).messages).toEqual(['panpp: 3 images of 2 parts']);
    expect((await panpp([...parts, '--images', 'img', '--output', 'r'])).messages).toEqual([
      'panpp: wrote r, 3 images of 2 parts',
    ]);
    expect(shownIn('r')).toEqual(['res_img_1.txt', 'res_img_2.txt', 'res_img_3.txt']);
    expect(read('r/res_img_3.txt').toString()).toBe('3\n');
    await panpp(['merge', 'r', '--output', 'r.zip']);
    const bytes = read('r.zip');
    await panpp([...parts, '--output', 'again.zip']);
    expect(read('again.zip').equals(bytes)).toBe(true);
    expect((await panpp(['merge', 'r.zip', 'r'])).messages).toEqual(['panpp: 3 images of 2 parts']);
    expect(await refused(['merge', 'r1', '--images', 'img'])).toMatch(
      /^panpp: 2 of 3 images have no result: img\/img_2\.jpg, img\/img_3\.png/,
    );
  });

  it('that do not fit are refused, and a folder that is there stays as it is', async () => {
    put('s1', { 'img_1.txt': '1' });
    put('s2', { 'img_1.txt': '2' });
    put('s3', { 'img_3.txt': '3' });
    put('none', {});
    write('no.zip', 'PK is how archives begin');
    expect(await refused(['merge', 's1', 's2'])).toMatch(
      /^panpp: img_1\.txt: different results in s1 and in s2/,
    );
    expect(await refused(['merge', 's1', 's3', '--output', 's2'])).toBe(
      'panpp: s2: is there already; give the name of a new folder',
    );
    expect(read('s2/img_1.txt').toString()).toBe('2');
    expect(shownIn('s2')).toEqual(['img_1.txt']);
    expect(await refused(['merge', 's1', 'none'])).toBe('panpp: none: no files in this folder');
    expect(await refused(['merge', 's1', 'no.zip'])).toMatch(/^panpp: no\.zip: not a zip archive/);
    expect(await refused(['merge', 's1', 'nowhere'])).toBe(
      'panpp: nowhere: no such file or folder',
    );
    expect(await refused(['merge', 's1', 'nowhere*'])).toBe('panpp: nowhere*: no files found');
    write('lines', line('a.png'));
    expect(await refused(['merge', 's1', 'lines'])).toBe(
      'panpp: s1 is result files, lines is JSON lines; join each kind by itself',
    );
    put('deep/sub', { 'img_4.txt': '4' });
    put('deep', { 'img_1.txt': '1' });
    expect(await refused(['merge', 's1', 'deep'])).toBe(
      "panpp: deep/sub: result files in subfolders can't be joined; join the shards' JSON lines, or each subfolder",
    );
    put('odd', { 'run.json': '{}' });
    expect(await refused(['merge', 'odd'])).toBe("panpp: odd/run.json: not a run's settings file");
    put('odd', { 'run.json': '{"settings":{},"protocol":"toString"}' });
    expect(await refused(['merge', 'odd'])).toBe("panpp: odd/run.json: not a run's settings file");
    // An empty folder may be filled.
    expect((await panpp(['merge', 's1', 's3', '--output', 'none'])).code).toBe(0);
    expect(shownIn('none')).toEqual(['img_1.txt', 'img_3.txt']);
  });
});
