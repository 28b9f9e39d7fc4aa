import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { describeTuning, earlierTuning } from '../../src/cli/tune.js';
import type { GpuProfile } from '../../src/gpu/context.js';
import type { Tuning } from '../../src/tuning/tuning.js';
import { crop, inScratch, onAdapter, panpp, read, refused, small, write } from './cli.js';

/**
 * A user whose cache folder is empty but for what the tests put there; Mesa's shaders stay where
 * they are.
 */
const env = {
  XDG_CACHE_HOME: inScratch('cache'),
  MESA_SHADER_CACHE_DIR:
    process.env.MESA_SHADER_CACHE_DIR ?? process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
};
/** With an empty shader cache, a tuning takes long on a software adapter. */
const timeout = 300_000;
const tune = (...args: string[]) => panpp(['tune', ...onAdapter, ...args], env);
async function detect(...args: string[]) {
  const { code, messages } = await panpp(
    ['detect', ...small, ...onAdapter, '--output', 'out', ...args, 'sign.png'],
    env,
  );
  return { code, messages: messages.filter((line) => !line.startsWith('panpp: wrote ')) };
}

describe('tune', () => {
  let file: string;
  const stored = () => JSON.parse(read(file).toString()) as Tuning;
  const shapesOf = ({ shapes }: Tuning) => Object.keys(shapes).length;

  beforeAll(async () => {
    write('sign.png', await (await crop('sign')).png().toBuffer());
    const { code, stdout, messages } = await tune('--size', '32x32');
    expect({ code, messages }).toEqual({
      code: 0,
      messages: [expect.stringMatching(/^panpp: wrote .+\.json after \d+ s$/) as string],
    });
    expect(stdout.split('\n').at(-2)).toMatch(/: \d+ of \d+ shapes are faster in another tile$/);
    const names = readdirSync(inScratch('cache', 'panpp', 'tuning'));
    expect(names).toHaveLength(1);
    file = `cache/panpp/tuning/${names[0]}`;
  }, timeout);

  it(
    'keeps what it finds in the cache folder, where detect and doctor find it',
    async () => {
      expect(await detect()).toEqual({ code: 0, messages: [] });
      const tuning = stored();
      const doctor = async () => (await panpp(['doctor'], env)).stdout;
      const stdout = await doctor();
      expect(stdout).toContain(`${basename(file)}, `);
      expect(stdout).toMatch(/tuning: .* \d+ of \d+ shapes use other tiles than the default$/m);
      const found = { best: 1, baseline: 2 };
      write(
        file,
        JSON.stringify({
          ...tuning,
          methods: { a: found, b: found, c: { ...found, method: 'direct' } },
        }),
      );
      expect(await doctor()).toMatch(
        / shapes use other tiles than the default, 1 of 3 classes by another method$/m,
      );
      write(file, JSON.stringify(tuning));
    },
    timeout,
  );

  it(
    'adds other sizes',
    async () => {
      const before = stored();
      expect((await tune('--size', '64x64')).code).toBe(0);
      expect(shapesOf(stored())).toBeGreaterThan(shapesOf(before));
      expect(Object.keys(stored().shapes)).toEqual(
        expect.arrayContaining(Object.keys(before.shapes)),
      );
    },
    timeout,
  );

  it(
    'is not used, with a message, for another adapter or other shaders',
    async () => {
      const tuning = stored();
      write(file, JSON.stringify({ ...tuning, shaders: 'older' }));
      expect(await detect()).toEqual({
        code: 0,
        messages: [
          expect.stringMatching(
            / was made by another version of panpp and is not used; make a new one with panpp tune$/,
          ) as string,
        ],
      });
      expect(await detect('--tuning', 'none')).toEqual({ code: 0, messages: [] });
      write(file, JSON.stringify(tuning));
      write('other.json', JSON.stringify({ ...tuning, adapter: 'Another GPU' }));
      expect(await detect('--tuning', 'other.json')).toEqual({
        code: 0,
        messages: [
          'panpp: other.json was made for Another GPU, not for this adapter, and is not used; make one with panpp tune',
        ],
      });
    },
    timeout,
  );

  it(
    'is reported if it is broken in the cache, and an error if it was named',
    async () => {
      write(file, '{"format": 1, ');
      expect(await detect()).toEqual({
        code: 0,
        messages: [
          expect.stringMatching(
            /\.json is not a tuning: it is not JSON; make one with panpp tune; continuing without it$/,
          ) as string,
        ],
      });
      expect((await panpp(['doctor'], env)).stdout).toMatch(
        /tuning: .* can't be read; delete it, or make it again with panpp tune/,
      );
      expect(await refused(['detect', ...onAdapter, '--tuning', file, 'sign.png'])).toMatch(
        /it is not JSON/,
      );
      const { messages } = await tune('--size', '32x32');
      expect(messages).toEqual([
        expect.stringMatching(/; it will be replaced$/),
        expect.stringMatching(/^panpp: wrote /),
      ]);
      expect(shapesOf(stored())).toBeGreaterThan(15);
    },
    timeout,
  );

  it('says which earlier tuning it will replace', async () => {
    const tuning = stored();
    const { adapter, vendor, architecture } = tuning;
    const profile = { adapter, vendor, architecture } as GpuProfile;
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const messageOf = async (change: Partial<Tuning>) => {
      write('earlier.json', JSON.stringify({ ...tuning, ...change }));
      said.mockClear();
      await earlierTuning(inScratch('earlier.json'), profile);
      return said.mock.calls.map(([text]) => String(text)).join('');
    };
    expect(await messageOf({})).toBe('');
    expect(await messageOf({ shaders: 'older' })).toMatch(
      /earlier\.json was made by another version of panpp; it will be replaced\n$/,
    );
    expect(await messageOf({ adapter: 'Another GPU' })).toMatch(
      /earlier\.json was made for Another GPU; it will be replaced\n$/,
    );
    said.mockRestore();
  });

  it('lists the tiles and methods that won', () => {
    const tile = { kind: 'tiled', pixels: 8, vectors: 2, lanes: 8, rows: 8, depth: 16 } as const;
    const tuning = {
      ...({ format: 1, adapter: 'Some GPU', vendor: '', architecture: '', shaders: '' } as const),
      shapes: {
        a: { best: 1, baseline: 1 },
        b: { tile, best: 1, baseline: 1.25 },
        c: { tile, best: 1, baseline: 2 },
      },
      methods: { 'd f16': { method: 'direct', best: 3, baseline: 4 }, e: { best: 1, baseline: 1 } },
    } as const;
    expect(describeTuning(tuning).split('\n')).toEqual([
      'convolution  default ms  tuned ms         tile or method',
      'c            2.00        1.00      -50 %  tiled 64x64 by 8x8, 16 deep',
      'b            1.25        1.00      -20 %  tiled 64x64 by 8x8, 16 deep',
      'd f16        4.00        3.00      -25 %  direct',
      'Some GPU: 2 of 3 shapes are faster in another tile, 1 of 2 classes by another method',
      '',
    ]);
    const { methods: _, ...software } = tuning;
    expect(describeTuning({ ...software, shapes: { a: { best: 1, baseline: 1 } } })).toBe(
      'Some GPU: 0 of 1 shapes are faster in another tile\n',
    );
  });

  it('refuses invalid options', async () => {
    expect(await refused(['detect', ...onAdapter, '--tuning', 'nowhere.json', 'sign.png'])).toMatch(
      /nowhere\.json: no such file/,
    );
    expect(await refused(['tune', ...onAdapter, '--size', '0x32', '--out', 'x.json'])).toMatch(
      /sides must be whole numbers/,
    );
    expect(await refused(['tune', ...onAdapter, '--weights', 'nowhere.safetensors'])).toMatch(
      /nowhere\.safetensors: no such file/,
    );
    expect((await panpp(['tune', '--size', '64'])).code).toBe(2);
  });

  it('reports before the work that it can’t write', async () => {
    expect(
      await refused(['tune', ...onAdapter, '--size', '32x32', '--out', 'sign.png/x.json']),
    ).toMatch(/sign\.png: can't be used as output folder/);
    expect(await refused(['tune', ...onAdapter, '--size', '32x32', '--out', '.'])).toMatch(
      /^panpp: \.: /,
    );
  });
});
