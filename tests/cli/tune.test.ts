import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Tuning } from '../../src/tuning/tuning.js';
import { crop, inScratch, onAdapter, panpp, read, refused, small, write } from './cli.js';

/** A user whose cache folder is empty but for what the tests put there. */
const env = { XDG_CACHE_HOME: inScratch('cache') };
const tune = (...args: string[]) => panpp(['tune', ...onAdapter, ...args], env);
const detect = (...args: string[]) => panpp(['detect', ...small, ...onAdapter, ...args, 'sign.png'], env);

describe('tune', () => {
  it('keeps what it finds in the cache folder, where detect and doctor find it', async () => {
    write('sign.png', await (await crop('sign')).png().toBuffer());
    const { code, stdout, messages } = await tune('--size', '64x96');
    expect({ code, messages }).toEqual({ code: 0, messages: [expect.stringMatching(/^panpp: wrote .+\.json after \d+ s$/) as string] });
    expect(stdout.split('\n').at(-2)).toMatch(/: \d+ of \d+ shapes are faster in another tile$/);

    const folder = inScratch('cache', 'panpp', 'tuning');
    const [name, ...more] = readdirSync(folder);
    expect(more).toEqual([]);
    const file = `cache/panpp/tuning/${name}`;
    const tuning = JSON.parse(read(file).toString()) as Tuning;
    const count = Object.keys(tuning.shapes).length;

    // Other sizes come to it.
    expect((await tune('--size', '32x32')).code).toBe(0);
    const both = JSON.parse(read(file).toString()) as Tuning;
    expect(Object.keys(both.shapes).length).toBeGreaterThan(count);

    const found = await detect();
    expect({ code: found.code, messages: found.messages }).toEqual({ code: 0, messages: [] });
    const diagnosis = await panpp(['doctor'], env);
    expect(diagnosis.stdout).toContain(`${name}, `);
    expect(diagnosis.stdout).toMatch(/tuning: .* \d+ of \d+ shapes in other tiles than the default/);

    // What does not fit is told and not used.
    write(file, JSON.stringify({ ...both, shaders: 'older' }));
    expect((await detect()).messages).toEqual([expect.stringMatching(/ is of another version of panpp, and not used; panpp tune makes a new one$/)]);
    write('other.json', JSON.stringify({ ...both, adapter: 'Another GPU' }));
    expect((await detect('--tuning', 'other.json')).messages).toEqual([
      'panpp: other.json is of Another GPU, not of this adapter, and not used; panpp tune makes one',
    ]);
    expect((await detect('--tuning', 'none')).messages).toEqual([]);

    // A broken file in the cache is told, one that was named is an error.
    write(file, '{"format": 1, ');
    const broken = await detect();
    expect({ code: broken.code, messages: broken.messages }).toEqual({
      code: 0,
      messages: [expect.stringMatching(/\.json is no tuning: it is no JSON; make one with panpp tune; going on without$/) as string],
    });
    expect((await panpp(['doctor'], env)).stdout).toMatch(/tuning: .* can't be read; delete it, or make it again with panpp tune/);
    expect(await refused(['detect', ...onAdapter, '--tuning', file, 'sign.png'])).toMatch(/it is no JSON/);
    const repaired = await tune('--size', '32x32');
    expect(repaired.messages).toEqual([expect.stringMatching(/; it will be replaced$/), expect.stringMatching(/^panpp: wrote /)]);
    expect((await detect()).messages).toEqual([]);
  });

  it('refuses what makes no sense', async () => {
    expect(await refused(['detect', ...onAdapter, '--tuning', 'nowhere.json', 'sign.png'])).toMatch(/nowhere\.json: no such file/);
    expect(await refused(['tune', ...onAdapter, '--size', '0x32'])).toMatch(/sides must be whole numbers/);
    expect(await refused(['tune', ...onAdapter, '--weights', 'nowhere.safetensors'])).toMatch(/nowhere\.safetensors: no such file/);
    expect((await panpp(['tune', '--size', '64'])).code).toBe(2);
  });

  it('says beforehand that it can’t write', async () => {
    expect(await refused(['tune', ...onAdapter, '--size', '32x32', '--out', 'sign.png/x.json'])).toMatch(/sign\.png\/x\.json: /);
    expect(existsSync(inScratch('sign.png/x.json'))).toBe(false);
  });
});
