import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { findImages } from '../../src/cli/files.js';
import { imagesOf, isInShard, parseShard, shardOfEnvironment } from '../../src/cli/shard.js';
import {
  type Finished,
  crop,
  finished,
  inScratch,
  onAdapter,
  panpp,
  parseLines,
  read,
  refused,
  scratch,
  shownIn,
  small,
  start,
  write,
} from './cli.js';

const shards = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ index: index + 1, count }));

describe('parts', () => {
  const keys = fc.uniqueArray(
    fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      // Bytes that are not UTF-8, as paths.ts decodes them.
      fc.string({ unit: fc.constantFrom('a', 'b', '/', '\udc80', '\udce9', '\udcff') }),
    ),
  );

  it('hold every image once, whatever else is in the folder', () => {
    fc.assert(
      fc.property(keys, keys, fc.integer({ min: 1, max: 300 }), (names, more, count) => {
        const parts = shards(count).map((shard) => names.filter((key) => isInShard(shard, key)));
        expect(parts.flat().sort()).toEqual([...names].sort());
        // In any order, and with more images, each is in the part it was in.
        const both = [...new Set([...more, ...names])].reverse();
        shards(count).forEach((shard, index) => {
          const now = new Set(both.filter((key) => isInShard(shard, key)));
          expect(parts[index].every((key) => now.has(key))).toBe(true);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('are the same on every machine and in every version', () => {
    const partOf = (key: string) => shards(7).findIndex((shard) => isInShard(shard, key)) + 1;
    // From Python: int.from_bytes(hashlib.sha256(name).digest()[:6], 'big') % 7 + 1.
    expect(['img_1.png', 'sub/é.jpg', 'caf\udce9.png'].map(partOf)).toEqual([1, 5, 7]);
  });

  it('are of about one size', () => {
    const sizes = new Array<number>(8).fill(0);
    for (let i = 0; i < 4000; i++)
      sizes[shards(8).findIndex((shard) => isInShard(shard, `img_${i}.jpg`))]++;
    // Five standard deviations.
    for (const size of sizes) expect(Math.abs(size - 500)).toBeLessThan(105);
  });

  it('go by the names in a folder, wherever it lies, and by paths where files are named', async () => {
    for (const folder of ['here/sub', 'there/deep/sub'])
      mkdirSync(inScratch(folder), { recursive: true });
    for (const folder of ['here', 'there/deep'])
      for (const name of ['a.png', 'sub/a.png']) write(`${folder}/${name}`, '');
    const keysOf = async (...inputs: string[]) =>
      (
        await findImages(
          inputs.map((input) => inScratch(input)),
          async () => false,
        )
      ).images.map(({ key }) => key.replace(scratch, ''));
    expect(await keysOf('here')).toEqual(['a.png', 'sub/a.png']);
    expect(await keysOf('there/deep')).toEqual(['a.png', 'sub/a.png']);
    // A shell's list and a glob give the same parts, and equal names in several folders are apart.
    const named = ['/here/a.png', '/there/deep/a.png'];
    expect(await keysOf('here/a.png', 'there/deep/a.png')).toEqual(named);
    expect(await keysOf('{here,there/deep}/*.png')).toEqual(named);
  });

  it('are reported', () => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const images = [{ key: 'img_1.png' }, { key: 'img_3.png' }];
    expect(imagesOf(undefined, images)).toBe(images);
    expect(said).not.toHaveBeenCalled();
    expect(imagesOf({ index: 1, count: 3 }, images)).toEqual([{ key: 'img_3.png' }]);
    expect(said.mock.calls).toEqual([['panpp: shard 1/3: 1 of 2 images\n']]);
    said.mockRestore();
  });
});

describe('--shard', () => {
  it('counts from 1', () => {
    expect(parseShard('1/1')).toEqual({ index: 1, count: 1 });
    expect(parseShard('4/4')).toEqual({ index: 4, count: 4 });
    expect(parseShard('03/1000000')).toEqual({ index: 3, count: 1_000_000 });
  });

  it.each(
    [
      '',
      '/',
      '1',
      '0/4',
      '5/4',
      '1/0',
      '0/0',
      '-1/4',
      '1/-4',
      '1.5/4',
      '1e0/4',
      '0x1/4',
      ' 1/4',
    ].concat([
      '1/4 ',
      '1/4\n',
      '1/4/4',
      'a/b',
      'Auto',
      '1/1000001',
      '9999999999/9999999999',
      '١/٤',
    ]),
  )('refuses %j', (text) => {
    expect(() => parseShard(text)).toThrow(InvalidArgumentError);
    expect(() => shardOfEnvironment({ PANPP_SHARD: text || '?' })).toThrow(
      /^--shard auto: PANPP_SHARD is ".*"\. Give i\/n with i from 1 to n/,
    );
  });

  it('auto takes what a scheduler says', () => {
    const indexed = (index: number) => ({ JOB_COMPLETION_INDEX: `${index}`, PANPP_SHARDS: '4' });
    const array = (id: number, [min, max, step, count]: readonly number[]) => ({
      SLURM_ARRAY_TASK_ID: `${id}`,
      SLURM_ARRAY_TASK_MIN: `${min}`,
      SLURM_ARRAY_TASK_MAX: `${max}`,
      SLURM_ARRAY_TASK_STEP: `${step}`,
      SLURM_ARRAY_TASK_COUNT: `${count}`,
    });
    for (const [env, shard] of [
      [{ PANPP_SHARD: '2/3' }, [2, 3]],
      [indexed(0), [1, 4]],
      [indexed(3), [4, 4]],
      [array(0, [0, 3, 1, 4]), [1, 4]],
      [array(8, [1, 8, 1, 8]), [8, 8]],
      [array(9, [1, 13, 4, 4]), [3, 4]],
      [array(5, [5, 5, 1, 1]), [1, 1]],
      [{ ...array(2, [1, 8, 1, 8]), PANPP_SHARDS: '8' }, [2, 8]],
      // What a person says counts first, and an empty variable is none.
      [{ ...indexed(0), ...array(2, [1, 8, 1, 8]), PANPP_SHARD: '3/9' }, [3, 9]],
      [{ ...indexed(1), ...array(2, [1, 8, 1, 8]), PANPP_SHARD: '' }, [2, 4]],
      [{ JOB_COMPLETION_INDEX: '', ...array(2, [1, 8, 1, 8]) }, [2, 8]],
    ] as const)
      expect(shardOfEnvironment(env)).toEqual({ index: shard[0], count: shard[1] });
  });

  const tasks = {
    SLURM_ARRAY_TASK_ID: '2',
    SLURM_ARRAY_TASK_MIN: '1',
    SLURM_ARRAY_TASK_MAX: '4',
    SLURM_ARRAY_TASK_STEP: '1',
    SLURM_ARRAY_TASK_COUNT: '4',
  };
  it.each([
    [{}, /no variable says which part this is: PANPP_SHARD .*; give --shard i\/n$/],
    [{ PANPP_SHARDS: '4' }, /no variable says which part/],
    [{ JOB_COMPLETION_INDEX: '1' }, /PANPP_SHARDS is not set\. Set it to the Job’s completions/],
    [{ JOB_COMPLETION_INDEX: '1', PANPP_SHARDS: 'four' }, /PANPP_SHARDS is "four"/],
    [{ JOB_COMPLETION_INDEX: '1', PANPP_SHARDS: '0' }, /PANPP_SHARDS is "0"\. Give a whole number/],
    [{ JOB_COMPLETION_INDEX: '1', PANPP_SHARDS: '1000001' }, /PANPP_SHARDS is "1000001"/],
    [
      { JOB_COMPLETION_INDEX: '4', PANPP_SHARDS: '4' },
      /INDEX is "4"\. PANPP_SHARDS is 4, so it can be 0 to 3/,
    ],
    [{ JOB_COMPLETION_INDEX: '-1', PANPP_SHARDS: '4' }, /JOB_COMPLETION_INDEX is "-1"/],
    [{ JOB_COMPLETION_INDEX: '1\n2', PANPP_SHARDS: '4' }, /JOB_COMPLETION_INDEX is "1\\n2"/],
    [{ SLURM_ARRAY_TASK_ID: '2' }, /SLURM_ARRAY_TASK_MIN is not set/],
    [{ ...tasks, SLURM_ARRAY_TASK_ID: 'x' }, /SLURM_ARRAY_TASK_ID is "x"/],
    [{ ...tasks, SLURM_ARRAY_TASK_ID: '0' }, /SLURM_ARRAY_TASK_ID is "0"/],
    [{ ...tasks, SLURM_ARRAY_TASK_ID: '5' }, /SLURM_ARRAY_TASK_ID is "5"/],
    [{ ...tasks, SLURM_ARRAY_TASK_COUNT: '0' }, /tasks are not numbered evenly/],
    [{ ...tasks, SLURM_ARRAY_TASK_STEP: '0' }, /not numbered evenly/],
    [{ ...tasks, SLURM_ARRAY_TASK_STEP: '2', SLURM_ARRAY_TASK_MAX: '7' }, /not numbered evenly/],
    // --array=1,2,7,9: every task says so, not only those beyond the count.
    [
      { ...tasks, SLURM_ARRAY_TASK_MAX: '9' },
      /4 tasks are not numbered evenly from 1 to 9; submit a whole range/,
    ],
    // --array=3, to repeat the third of eight.
    [
      {
        ...tasks,
        SLURM_ARRAY_TASK_ID: '3',
        SLURM_ARRAY_TASK_MIN: '3',
        SLURM_ARRAY_TASK_MAX: '3',
        SLURM_ARRAY_TASK_COUNT: '1',
        PANPP_SHARDS: '8',
      },
      /PANPP_SHARDS is "8"\. The array has 1 task; to repeat one part, set PANPP_SHARD=i\/n/,
    ],
  ])('auto refuses %j', (env, message) => {
    expect(() => shardOfEnvironment(env)).toThrow(
      expect.objectContaining({
        code: 'argument',
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  it('is refused before any work', async () => {
    const wrong = await panpp(['detect', 'x.png', '--shard', '5/4']);
    expect(wrong.code).toBe(2);
    expect(wrong.messages[0]).toMatch(/'--shard <i\/n>' argument '5\/4' is invalid. Give i\/n/);
    expect(await refused(['spot', 'x.png', '--shard', 'auto'])).toMatch(
      /^panpp: --shard auto: no variable says which part/,
    );
    const evaluation = [
      'eval',
      '--protocol',
      'iou',
      '--gt',
      'gt',
      '--results',
      'x',
      '--shard',
      '1/2',
    ];
    expect(await refused(evaluation)).toBe('panpp: --shard is for --run');
    const run = [...evaluation, '--run', '--images', 'images'];
    expect(await refused([...run, '--restart'])).toMatch(/--restart with --shard would delete/);
    for (const option of ['--json', '--per-image', '--plot=x.svg'])
      expect(await refused([...run, option])).toMatch(
        new RegExp(`^panpp: ${option.replace(/=.*/, '')} is for figures, and a shard has none`),
      );
  });
});

const thirdOfThree = { JOB_COMPLETION_INDEX: '2', PANPP_SHARDS: '3' };

// In parts of three: img_3, img_1 and img_2, img_4.
const images = ['img_1', 'img_2', 'img_3', 'img_4'];

describe('three shards', () => {
  beforeAll(async () => {
    for (const folder of ['images', 'gt']) mkdirSync(inScratch(folder));
    const pieces = ['bread', 'open', 'sign', 'bread'] as const;
    for (const [index, image] of images.entries())
      write(`images/${image}.png`, await (await crop(pieces[index])).png().toBuffer());
    whole = await panpp(detect('whole'));
    expect(whole.code).toBe(0);
  });

  let whole: Finished;
  const detect = (output: string, ...more: string[]) => [
    ...['detect', 'images', '--output', output, '--format', 'labelme,icdar,coco-text', '--masks'],
    ...[...small, ...onAdapter, ...more],
  ];
  const untimed = (stdout: string) =>
    parseLines(stdout).map((line) => ({ ...line, timings: undefined }));

  it('at once in one folder, one of them killed and resumed, give what one process gives', async () => {
    // The second is killed as soon as one of its two images is done.
    const child = start(detect('parts', '--shard', '2/3'));
    const killed = finished(child);
    const others = Promise.all([
      panpp(detect('parts', '--shard', '1/3')),
      panpp(detect('parts', '--shard', 'auto'), thirdOfThree),
    ]);
    while (!existsSync(inScratch('parts/img_1.json')) && child.exitCode === null) await delay(2);
    child.kill('SIGKILL');
    expect((await killed).code).toBeNull();
    const [first, third] = await others;
    const second = await panpp(detect('parts', '--shard', '2/3', '--resume'));
    expect(second.messages[0]).toBe('panpp: shard 2/3: 2 of 4 images');
    // Where a GPU is fast, both may be done.
    expect(second.messages[1]).toMatch(/^panpp: [12] of 2 images were done before$/);

    const shardsOutput = [first, second, third];
    expect(shardsOutput.map(({ code }) => code)).toEqual([0, 0, 0]);
    shardsOutput.forEach(({ stdout }, index) => write(`lines-${index + 1}.jsonl`, stdout));
    const lines = ['merge', ...[3, 1, 2].map((index) => `lines-${index}.jsonl`)];
    for (const more of [[], ['--images', 'images', '--shards', '3']])
      expect(untimed((await panpp([...lines, ...more])).stdout)).toEqual(untimed(whole.stdout));

    const files = shownIn('whole');
    expect(files).toHaveLength(3 * 4 + 1);
    expect(shownIn('parts')).toEqual(
      [...files, ...shards(3).map(({ index }) => `coco-text.${index}-of-3.json`)]
        .filter((name) => name !== 'coco-text.json')
        .sort(),
    );
    const coco = ['merge', 'parts/coco-text.*-of-3.json', '--output', 'parts/coco-text.json'];
    for (const more of [[], ['--images', 'images']])
      expect((await panpp([...coco, ...more])).messages).toEqual([
        'panpp: wrote parts/coco-text.json, 4 images of 3 parts',
      ]);
    for (const file of files)
      expect(read(`parts/${file}`).equals(read(`whole/${file}`)), file).toBe(true);

    // All of it is done, for one process and for shards of another number.
    for (const more of [[], ['--shard', '2/2']]) {
      const { messages } = await panpp([...detect('parts', '--resume', ...more), '--overwrite']);
      expect(messages.join('\n')).toMatch(/ (\d) of \1 images were done before/);
    }
    expect(readdirSync(inScratch('parts/.panpp')).sort()).toEqual(
      [
        'images',
        'run.json',
        'run.2-of-2.json',
        ...shards(3).map(({ index }) => `run.${index}-of-3.json`),
      ].sort(),
    );
  });

  it('may have no image, which is no error', async () => {
    mkdirSync(inScratch('one'));
    copyFileSync(inScratch('images/img_3.png'), inScratch('one/img_3.png'));
    const { code, stdout, messages } = await panpp([
      ...['detect', 'one', '--shard', '2/3', '--format', 'coco-text', '--output', 'of-one'],
      ...onAdapter,
    ]);
    expect({ code, stdout, messages }).toEqual({
      code: 0,
      stdout: '',
      messages: ['panpp: shard 2/3: 0 of 1 images', 'panpp: wrote of-one/coco-text.2-of-3.json'],
    });
    expect(JSON.parse(read('of-one/coco-text.2-of-3.json').toString())).toMatchObject({ imgs: {} });
  });

  it('of eval --run are scored as one run, in one folder or merged from several', async () => {
    for (const [index, { regions }] of parseLines(whole.stdout).entries())
      write(
        `gt/gt_${images[index]}.txt`,
        regions
          .slice(0, 1 + index)
          .map(({ polygon }) => `${polygon.flat().join(',')},word\n`)
          .join(''),
      );
    const score = ['eval', '--protocol', 'icdar2015', '--gt', 'gt', '--results'];
    const run = (results: string, ...more: string[]) => [
      ...[...score, results, '--run', '--images', 'images', ...small, ...onAdapter],
      ...more,
    ];
    const figures = async (results: string) => {
      const { code, stdout } = await panpp([...score, results, '--json', '--per-image']);
      expect(code).toBe(0);
      return JSON.parse(stdout) as { precision: number; images: number };
    };
    expect((await panpp(run('eval-whole'))).code).toBe(0);
    const expected = await figures('eval-whole');
    expect(expected.precision).toBeGreaterThan(0);
    expect(expected.images).toBe(4);

    const [first] = await Promise.all([
      panpp(run('eval-1-and-3', '--shard', '1/3')),
      panpp(run('eval-1-and-3', '--shard', 'auto'), thirdOfThree),
    ]);
    expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 0, stdout: '' });
    expect(first.messages.slice(1)).toEqual([
      'panpp: shard 1/3: 1 of 4 images',
      'panpp: images stored in eval-1-and-3: 1; after all shards, panpp eval --protocol icdar2015 --gt gt --results eval-1-and-3 scores them',
    ]);
    expect(await refused(['merge', 'eval-1-and-3', '--images', 'images'])).toBe(
      'panpp: 2 of 4 images have no result: images/img_1.png, images/img_2.png; run their shards again',
    );
    expect((await panpp(run('eval-2', '--shard', '2/3'))).code).toBe(0);
    const join = ['merge', 'eval-2', 'eval-1-and-3', '--images', 'images'];
    for (const output of ['joined', 'joined.zip'])
      expect((await panpp([...join, '--output', output])).messages).toEqual([
        `panpp: wrote ${output}, 4 images of 2 parts`,
      ]);
    expect(read('joined/run.json')).toEqual(read('eval-whole/run.json'));
    for (const file of readdirSync(inScratch('eval-whole/results')))
      expect(read(`joined/results/${file}`)).toEqual(read(`eval-whole/results/${file}`));

    // Without shards the run goes on in their folder.
    const rest = await panpp(run('eval-1-and-3'));
    expect(rest.messages).toContain('panpp: 2 of 4 images were done before');
    for (const results of ['joined', 'joined/results', 'joined.zip', 'eval-1-and-3'])
      // Result files don't say by which settings they were made.
      expect(await figures(results), results).toEqual(
        /results$|zip$/.test(results) ? { ...expected, settings: undefined } : expected,
      );

    // Other settings are not mixed in.
    expect(await refused(run('joined', '--shard', '1/3', '--min-score', '0.5'))).toMatch(
      /^panpp: joined holds another run \(min score: 0\.85 there, 0\.5 now\)/,
    );
    write('eval-2/run.json', read('eval-2/run.json').toString().replace('0.85', '0.5'));
    expect(await refused([...join, '--output', 'x'])).toBe(
      'panpp: eval-2 and eval-1-and-3 are of different runs (min score: 0.5 and 0.85); join shards of one run',
    );
    expect(existsSync(inScratch('x'))).toBe(false);
  });
});
