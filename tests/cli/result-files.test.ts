// What a process started by itself can't be brought to do: a device that goes away, and results in odd places.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { lookAtFiles } from '../../src/cli/look-files.js';
import { type Format, ResultFiles, type ResultTask } from '../../src/cli/result-files.js';
import type { Detection } from '../../src/detection/model.js';
import { PanppError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'panpp-results-'));
const inFolder = (...names: string[]) => join(folder, ...names);
const task: ResultTask = { protocols: { icdar: 'icdar2015', totaltext: 'totaltext', iou: 'iou' }, reads: false };

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

beforeAll(async () => {
  const png = sharp({ create: { width: 16, height: 8, channels: 3, background: 'red' } }).png();
  mkdirSync(inFolder('images'));
  for (const name of ['a', 'b', 'c']) await png.toFile(inFolder('images', `${name}.png`));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a run that an error cuts off', () => {
  /** Runs without a word until the device goes away at the second image. */
  async function cutOff(output: string, format: Format[]): Promise<{ printed: string; said: string }> {
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
    const run = lookAtFiles([inFolder('images')], { output, format, adapter: 'swiftshader' }, task, () => async (_, path) => {
      if (path.endsWith('b.png')) throw new PanppError('device-lost', 'the device is gone');
      return found;
    });
    await expect(run).rejects.toThrow('the device is gone');
    vi.restoreAllMocks();
    return text;
  }
  afterEach(() => vi.restoreAllMocks());

  it('leaves the run’s file of what was done', async () => {
    const output = inFolder('cut');
    const { printed, said } = await cutOff(output, ['coco-text', 'svg']);
    expect(printed.trimEnd().split('\n').map((line) => (JSON.parse(line) as { file: string }).file)).toEqual([
      inFolder('images', 'a.png'),
    ]);
    expect(said.split('\n').slice(-3)).toEqual([
      `panpp: wrote ${join(output, 'a.svg')}`,
      `panpp: wrote ${join(output, 'coco-text.json')}`,
      '',
    ]);
    const { imgs, imgToAnns } = JSON.parse(readFileSync(join(output, 'coco-text.json'), 'utf8')) as Record<string, unknown>;
    expect(imgs).toEqual({ 1: { id: 1, set: 'val', width: 16, height: 8, file_name: '../images/a.png' } });
    expect(imgToAnns).toEqual({ 1: [1] });
  });

  it('says what went wrong first, even if that file can’t be written', async () => {
    const output = inFolder('blocked');
    mkdirSync(join(output, 'coco-text.json'), { recursive: true });
    const { said } = await cutOff(output, ['coco-text']);
    expect(said).toContain(`panpp: ${join(output, 'coco-text.json')}: can't be written: is a folder\n`);
  });
});

it('paths to images hold where folders are links', async () => {
  mkdirSync(inFolder('real/out'), { recursive: true });
  symlinkSync(inFolder('real/out'), inFolder('link'));
  symlinkSync(inFolder('images'), inFolder('pictures'));
  const file = { path: inFolder('pictures', 'a.png'), resultName: 'sub/a' };
  const results = await ResultFiles.open({ output: inFolder('link'), format: ['labelme', 'coco-text'], overlay: false }, task, [file]);
  const image = { width: 16, height: 8, channels: 3, data: new Uint8Array(16 * 8 * 3) } as const;
  await results.write(file, { image, found });
  await results.finish();
  expect(readdirSync(inFolder('real/out'), { recursive: true }).sort()).toEqual(['coco-text.json', 'sub', 'sub/a.json']);
  const stored = (name: string) => JSON.parse(readFileSync(inFolder('link', name), 'utf8'));
  expect(stored('sub/a.json').imagePath).toBe('../../../images/a.png');
  expect(stored('coco-text.json').imgs[1].file_name).toBe('../../images/a.png');
});
