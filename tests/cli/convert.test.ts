import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { platform } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { readWeights } from '../../src/network/weights-file.js';
import { detectionPresets, resnet18 } from '../../src/network/config.js';
import { onDisk } from '../../src/node/paths.js';
import { bundledPath, hasWholeReference, sharedPath } from '../support/reference.js';
import {
  checkpointFile,
  crop,
  detect,
  inScratch,
  panpp,
  program,
  read,
  refused,
  write,
} from './cli.js';

const config = {
  backbone: resnet18,
  neck: { fpems: 1, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
} as const;

describe('convert', () => {
  beforeAll(async () => {
    write('checkpoint.safetensors', checkpointFile(config));
    write('bread.png', await (await crop('bread')).png().toBuffer());
  });

  it('writes weights that detect runs', async () => {
    const { code, stdout, messages } = await panpp([
      'convert',
      'checkpoint.safetensors',
      'new/model.safetensors',
      '--half',
      '--settings',
      'ctw1500',
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(messages).toEqual([
      expect.stringMatching(/^new\/model\.safetensors: ResNet-18, 1 FPEMs, \d+\.\d MB$/),
    ]);
    expect(readdirSync(inScratch('new'))).toEqual(['model.safetensors']);
    expect(readWeights(read('new/model.safetensors')).config).toEqual({
      ...config,
      detection: detectionPresets.ctw1500,
    });
    const run = await detect(['bread.png', '--no-overlay', '--weights', 'new/model.safetensors']);
    expect(run).toMatchObject({ code: 0, messages: [] });
    expect(run.lines[0].regions).toBeInstanceOf(Array);
  });

  it.skipIf(!hasWholeReference)('makes a detector of a real checkpoint', async () => {
    const { code, messages } = await panpp([
      'convert',
      sharedPath('checkpoints/pan_pp_r18_starter.pth.tar'),
      'starter.safetensors',
    ]);
    expect({ code, messages }).toEqual({
      code: 0,
      messages: [expect.stringMatching(/^starter\.safetensors: ResNet-18, 2 FPEMs, /)],
    });
    expect(
      (await detect(['bread.png', '--no-overlay', '--weights', 'starter.safetensors'])).lines[0]
        .regions,
    ).toHaveLength(3);
  });

  const bad = readdirSync(bundledPath('checkpoints')).filter((name) => name.includes('bad-'));
  it('has bad checkpoints to refuse', () => expect(bad.length).toBeGreaterThan(9));

  it.each(bad)(
    'refuses %s in a line that names it, and leaves an earlier output alone',
    async (name) => {
      write('earlier.safetensors', 'earlier');
      expect(
        await refused(['convert', bundledPath(`checkpoints/${name}`), 'earlier.safetensors']),
      ).toContain(name);
      expect(read('earlier.safetensors').toString()).toBe('earlier');
    },
  );

  it('refuses checkpoints of other models, truncated ones, and missing ones', async () => {
    expect(await refused(['convert', bundledPath('checkpoints/plain.zip.pth'), 'x'])).toMatch(
      /plain\.zip\.pth holds no PAN or PAN\+\+/,
    );
    write('cut.safetensors', read('checkpoint.safetensors').subarray(0, 100_000));
    expect(await refused(['convert', 'cut.safetensors', 'x'])).toMatch(/^panpp: cut\.safetensors/);
    expect(await refused(['convert', 'none.pth', 'x'])).toBe(
      'panpp: none.pth: no such file or folder',
    );
    expect(await refused(['convert', '.', 'x'])).toBe('panpp: .: is a folder');
    expect(existsSync(inScratch('x'))).toBe(false);
  });

  it('takes a vocabulary of one’s own, and says which weights file is one already', async () => {
    const characters = [...'0123äöü€'];
    write(
      'reader.safetensors',
      checkpointFile({ ...config, recognition: { vocabulary: characters } }),
    );
    write(
      'characters.txt',
      `${characters.slice(0, 4).join('')}\r\n${characters.slice(4).join('')}\n`,
    );
    expect(await refused(['convert', 'reader.safetensors', 'x'])).toMatch(
      /reads 8 characters, which fits no known vocabulary/,
    );
    const { code } = await panpp([
      'convert',
      'reader.safetensors',
      'read.safetensors',
      '--vocabulary',
      'characters.txt',
    ]);
    expect(code).toBe(0);
    expect(readWeights(read('read.safetensors')).config.recognition).toEqual({
      vocabulary: characters,
    });
    expect(await refused(['convert', 'read.safetensors', 'x'])).toMatch(
      /^panpp: read\.safetensors is a weights file already/,
    );
    expect(
      await refused(['convert', 'reader.safetensors', 'x', '--vocabulary', 'bread.png']),
    ).toMatch(/bread\.png is not UTF-8 text/);
    expect(await refused(['convert', 'reader.safetensors', 'x', '--vocabulary', 'none.txt'])).toBe(
      'panpp: none.txt: no such file or folder',
    );
    expect(
      await refused(['convert', 'checkpoint.safetensors', 'x', '--vocabulary', 'characters.txt']),
    ).toMatch(/has no recognition head/);
  });

  it('takes several files by their index', async () => {
    const { tensors } = readSafetensors(checkpointFile(config));
    const parts: Record<string, [string, { shape: readonly number[]; data: Float32Array }][]> = {
      'a.safetensors': [],
      'b.safetensors': [],
    };
    const index: Record<string, string> = {};
    for (const [name, { shape, data }] of tensors) {
      index[name] = Object.keys(index).length % 2 === 0 ? 'a.safetensors' : 'b.safetensors';
      parts[index[name]].push([name, { shape, data: data as Float32Array }]);
    }
    mkdirSync(inScratch('shards'));
    write(
      'shards/model.safetensors.index.json',
      JSON.stringify({ metadata: {}, weight_map: index }),
    );
    write('shards/a.safetensors', writeSafetensors(parts['a.safetensors']));
    expect(await refused(['convert', 'shards/model.safetensors.index.json', 'x'])).toBe(
      'panpp: shards/b.safetensors: no such file or folder',
    );
    write('shards/b.safetensors', writeSafetensors(parts['b.safetensors']));
    for (const [from, to] of [
      ['shards/model.safetensors.index.json', 'whole'],
      ['checkpoint.safetensors', 'one'],
    ]) {
      expect((await panpp(['convert', from, `${to}.safetensors`])).code).toBe(0);
    }
    expect(read('whole.safetensors').equals(read('one.safetensors'))).toBe(true);
    expect(await refused(['convert', 'checkpoint.safetensors', 'x', '--ema'])).toMatch(
      /^panpp: checkpoint\.safetensors: holds one set of weights/,
    );
  });

  it('says why it can’t write', async () => {
    mkdirSync(inScratch('folder'));
    copyFileSync(inScratch('bread.png'), inScratch('file'));
    const to = (output: string) => refused(['convert', 'checkpoint.safetensors', output]);
    expect(await to('folder')).toBe("panpp: folder: can't be written: is a folder");
    expect(await to('file/model')).toBe(
      "panpp: file/model: can't be written: there is a file where a folder should be",
    );
  });

  it('never overwrites its input', async () => {
    const before = read('checkpoint.safetensors');
    symlinkSync('checkpoint.safetensors', inScratch('link.safetensors'));
    for (const output of ['checkpoint.safetensors', 'link.safetensors'])
      expect(await refused(['convert', 'checkpoint.safetensors', output])).toMatch(
        /is (the file that is read|the same file as .*); give another name to write to$/,
      );
    expect(read('checkpoint.safetensors').equals(before)).toBe(true);
  });

  it.runIf(platform() === 'linux')('knows arguments that are no UTF-8', () => {
    for (const name of ['caf\udce8', 'caf\udce9']) mkdirSync(onDisk(inScratch(name)));
    copyFileSync(inScratch('checkpoint.safetensors'), onDisk(inScratch('caf\udce9/\udce9')));
    const line = `"$0" "$1" convert "$(printf 'caf\\351/\\351')" "$(printf 'caf\\350/\\350')"`;
    execFileSync('sh', ['-c', line, process.execPath, program], {
      cwd: inScratch('.'),
      stdio: 'pipe',
    });
    expect(readdirSync(onDisk(inScratch('caf\udce8')), 'latin1')).toEqual(['\xe8']);
  });

  it('wants two arguments', async () => {
    expect((await panpp(['convert', 'checkpoint.safetensors'])).code).toBe(2);
    expect((await panpp(['convert', 'a', 'b', '--architecture', 'east'])).code).toBe(2);
  });
});
