import { mkdirSync, readdirSync } from 'node:fs';
import { zipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { FOLDERS, type OfficialProtocol, officialCase } from '../evaluation/cases.js';
import { bundledPath } from '../support/reference.js';
import { inScratch, panpp, read, refused, write } from './cli.js';

interface Report {
  readonly precision: number;
  readonly recall: number;
  readonly hmean: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly images: number;
  readonly notes: readonly string[];
  readonly perImage?: readonly ({ readonly image: string } & Readonly<Record<string, unknown>>)[];
}

const protocols = Object.keys(FOLDERS) as OfficialProtocol[];

function pathsOf(protocol: OfficialProtocol, number: number): string[] {
  const folder = bundledPath(`eval/${FOLDERS[protocol]}/case${number}`);
  const [gt, results] = protocol.startsWith('icdar2015')
    ? ['gt.zip', 'submission.zip']
    : ['gt', 'results'];
  return ['--protocol', protocol, '--gt', `${folder}/${gt}`, '--results', `${folder}/${results}`];
}

async function evaluate(
  args: readonly string[],
): Promise<Report & { messages: readonly string[] }> {
  const { code, stdout, messages } = await panpp(['eval', ...args, '--json']);
  expect(code, messages.join('\n')).toBe(0);
  expect(stdout).toMatch(/^\{.*\}\n$/);
  return { ...(JSON.parse(stdout) as Report), messages };
}

/** A folder of files. */
function folder(name: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(inScratch(name), { recursive: true });
  for (const [file, text] of Object.entries(files)) write(`${name}/${file}`, text);
  return name;
}

describe('eval', () => {
  it.each(protocols)('%s gives the official script’s figures', async (protocol) => {
    const { expected } = officialCase<object>(protocol, 2);
    const report = await evaluate([...pathsOf(protocol, 2), '--per-image']);
    for (const figure of ['precision', 'recall', 'hmean'] as const)
      expect(report[figure]).toBeCloseTo(expected.method[figure], 9);
    expect(report.perImage!.map(({ image }) => image).sort()).toEqual(
      Object.keys(expected.per_image).sort(),
    );
    expect(report.images).toBe(report.perImage!.length);
  });

  it('prints a table of percentages', async () => {
    const { expected } = officialCase<object>('icdar2015', 1);
    const { code, stdout, messages } = await panpp(['eval', ...pathsOf('icdar2015', 1)]);
    expect({ code, messages }).toEqual({ code: 0, messages: [] });
    const [heads, figures, ...others] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    const { precision, recall, hmean } = expected.method;
    expect(heads).toEqual(['protocol', 'ground truth', 'images', 'precision', 'recall', 'H-mean']);
    expect(figures).toEqual([
      'icdar2015',
      'ICDAR 2015 lines',
      String(Object.keys(expected.per_image).length),
      ...[precision, recall, hmean].map((share) => (100 * share).toFixed(2)),
    ]);
    expect(others).toEqual([]);
  });

  it.each(['icdar2015', 'totaltext', 'ctw1500', 'msra-td500'] as const)(
    '%s prints a row an image if asked',
    async (protocol) => {
      const { expected } = officialCase<Record<string, number>>(protocol, 1);
      const { stdout } = await panpp(['eval', ...pathsOf(protocol, 1), '--per-image']);
      const [rows] = stdout.split('\n\n').map((part) =>
        part
          .trimEnd()
          .split('\n')
          .map((line) => line.split(/ {2,}/)),
      );
      const [heads, ...images] = rows;
      expect(images).toHaveLength(Object.keys(expected.per_image).length);
      for (const [image, ...cells] of images) {
        const row = Object.fromEntries(heads.slice(1).map((head, column) => [head, cells[column]]));
        const wanted = expected.per_image[image];
        if (wanted.recall !== undefined)
          expect(row.recall, image).toBe((100 * wanted.recall).toFixed(2));
        else expect(row[protocol === 'ctw1500' ? 'right' : 'found'], image).toBe(String(wanted.tp));
      }
    },
  );

  it('takes zips of folders where the benchmark has no archives of its own', async () => {
    const { groundTruth, results, expected } = officialCase('totaltext', 1);
    const zipped = (files: ReadonlyMap<string, Uint8Array>) =>
      zipSync({
        '__MACOSX/._x': new Uint8Array(1),
        data: { '.DS_Store': new Uint8Array(1), ...Object.fromEntries(files) },
      });
    write('gt.zip', zipped(groundTruth));
    write('results.zip', zipped(results));
    const report = await evaluate([
      '--protocol',
      'totaltext',
      '--gt',
      'gt.zip',
      '--results',
      'results.zip',
    ]);
    expect(report.hmean).toBeCloseTo(expected.method.hmean, 9);
  });
});

describe('files', () => {
  const box = '10,10,110,10,110,50,10,50';
  const far = '510,10,610,10,610,50,510,50';
  const icdar = (gt: string, results: string) => [
    '--protocol',
    'icdar2015',
    '--gt',
    gt,
    '--results',
    results,
  ];
  beforeAll(() => {
    folder('gt', {
      'gt_img_1.txt': `\ufeff${box},a, b\r\n${far},###\r\n`,
      'gt_img_2.txt': `${box},c\n`,
      '.DS_Store': 'x',
    });
    folder('results', { 'res_img_1.txt': `${box}\n${far}\n`, 'res_img_2.txt': '', '.hidden': 'x' });
  });

  it('may have a BOM, CRLF and commas in words', async () => {
    const report = await evaluate(icdar('gt', 'results'));
    expect(report).toMatchObject({
      precision: 1,
      recall: 0.5,
      counts: { matched: 1, gtCare: 2, detCare: 1 },
      notes: [],
      messages: [],
    });
  });

  it('that are missing count as no detections, with a note', async () => {
    folder('one', { 'res_img_1.txt': `${box}\n` });
    const { recall, notes, messages } = await evaluate(icdar('gt', 'one'));
    expect(recall).toBe(0.5);
    expect(notes).toEqual([
      expect.stringMatching(/counted as images without detections.*: 1 image \(2\)/),
    ]);
    expect(messages).toEqual(notes.map((note) => `panpp: ${note}`));
  });

  it('of unknown images, or that can’t be read, are named', async () => {
    folder('unknown', { 'res_img_7.txt': '' });
    expect(await refused(['eval', ...icdar('gt', 'unknown')])).toBe(
      'panpp: results: res_img_7.txt: the ground truth has no gt_img_7.txt',
    );
    folder('more', { 'res_img_1.txt': `${box}\n`, 'res_img_7.txt': '', 'readme.txt': 'x' });
    const more = await evaluate(icdar('gt', 'more'));
    expect(more).toMatchObject({
      recall: 0.5,
      precision: 1,
      ignored: ['readme.txt', 'res_img_7.txt'],
    });
    expect(more.notes[0]).toBe(
      'ignored, where the official script would refuse all: 2 result files without ground truth (readme.txt, res_img_7.txt)',
    );
    folder('words', { 'res_img_1.txt': `${box}\n${box},word\n` });
    expect(await refused(['eval', ...icdar('gt', 'words')])).toMatch(
      /^panpp: .*res_img_1\.txt, line 2: "word" is not an integer/,
    );
    expect(await refused(['eval', ...icdar('gt', 'nowhere')])).toBe(
      'panpp: nowhere: no such file or folder',
    );
    mkdirSync(inScratch('empty'));
    expect(await refused(['eval', ...icdar('empty', 'results')])).toBe(
      'panpp: empty: no files in this folder',
    );
    write(
      'cut.zip',
      zipSync({ 'gt_img_1.txt': new TextEncoder().encode(box.repeat(100)) }).subarray(0, 60),
    );
    expect(await refused(['eval', ...icdar('cut.zip', 'results')])).toMatch(
      /^panpp: cut\.zip: not a zip archive that can be read/,
    );
    write(
      'twice.zip',
      zipSync({ a: { '1.txt': new Uint8Array() }, b: { '1.txt': new Uint8Array() } }),
    );
    expect(
      await refused(['eval', '--protocol', 'iou', '--gt', 'twice.zip', '--results', 'results']),
    ).toBe('panpp: twice.zip: two files are named 1.txt, in different folders');
  });

  it('in the plain IoU protocol are held to a threshold of choice', async () => {
    folder('plain', { 'a.txt': `${box},####w\n` });
    folder('found', { 'a.txt': '10,10,70,10,70,50,10,50\n' });
    const plain = ['--protocol', 'iou', '--gt', 'plain', '--results', 'found'];
    expect((await evaluate(plain)).recall).toBe(1);
    expect((await evaluate([...plain, '--iou-threshold', '0.7'])).recall).toBe(0);
    expect(await refused(['eval', ...icdar('gt', 'results'), '--iou-threshold', '0.7'])).toMatch(
      /only iou takes another/,
    );
  });

  it('hold no scores for a plot', async () => {
    expect(await refused(['eval', ...icdar('gt', 'results'), '--plot', 'p.svg'])).toMatch(
      /--plot needs scores.*eval --run/,
    );
    expect(readdirSync(inScratch('.'))).not.toContain('p.svg');
  });

  it('of ground truth are not replaced by a plot', async () => {
    const before = read('gt/gt_img_1.txt');
    const args = ['eval', ...icdar('gt', 'results'), '--plot', 'gt/gt_img_1.txt'];
    expect(await refused(args)).toMatch(
      / is the file that is read; give another name to write to$/,
    );
    expect(read('gt/gt_img_1.txt')).toEqual(before);
  });

  it('in subfolders are not read, which is said', async () => {
    folder('nested', { 'gt_img_1.txt': `${box},word\n` });
    folder('nested/more', { 'gt_img_2.txt': `${box},word\n` });
    folder('nested-found', { 'res_img_1.txt': `${box}\n` });
    const { code, messages } = await panpp(['eval', ...icdar('nested', 'nested-found')]);
    expect(code).toBe(0);
    expect(messages).toEqual(['panpp: nested: files in subfolders are not read (more)']);
  });
});

describe('wrong usage', () => {
  const complete = ['--protocol', 'icdar2015', '--gt', 'gt', '--results', 'results'];
  const cases: [string[], RegExp][] = [
    [complete.slice(2), /required option '--protocol <name>' not specified/],
    [complete.slice(0, 4), /required option '--results <path>' not specified/],
    [['--protocol', 'coco', ...complete.slice(2)], /Allowed choices are icdar2015, /],
    [[...complete, '--run'], /--run needs --images/],
    [[...complete, '--min-score', '0.5'], /--min-score is for --run/],
    [[...complete, '--no-rectify'], /--no-rectify is for --run/],
    [[...complete, '--toggles', 'x'], /--toggles is for --run/],
    [[...complete, '--restart'], /--restart is for --run/],
    [[...complete, '--images', 'x'], /--images is for --run/],
    [[...complete, '--iou-threshold', '2'], /number from 0 to 1/],
    [[...complete, 'extra'], /too many arguments/],
  ];
  it.each(cases)('is exit code 2: %j', async (args, message) => {
    const { code, stdout, messages } = await panpp(['eval', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(messages[0]).toMatch(message);
  });
});
