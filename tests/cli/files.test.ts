// Which files are named on the command line, and how they are read.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  assertNoInput,
  createFile,
  createFolder,
  findImages,
  readBytes,
  removeOrphans,
  writeBytes,
} from '../../src/cli/files.js';
import { onDisk } from '../../src/node/paths.js';

const onLinux = platform() === 'linux';
const root = mkdtempSync(join(tmpdir(), 'panpp-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folder: string;
let count = 0;
beforeEach(() => {
  folder = join(root, String(count++));
  mkdirSync(folder);
});

async function make(...names: string[]): Promise<void> {
  for (const name of names) await writeBytes(join(folder, name), name);
}

/** Paths within the folder that inputs name there, and what nothing was found for. */
async function found(...inputs: string[]) {
  const { images, problems } = await findImages(
    inputs.map((input) => join(folder, input)),
    async () => false,
  );
  const within = (path: string) => path.slice(folder.length + 1);
  return {
    paths: images.map(({ path }) => within(path)),
    names: images.map(({ resultName }) => resultName),
    nothing: problems.map(({ input }) => within(input)),
  };
}

describe('globs', () => {
  it('go through folders whose names could be patterns', async () => {
    const names = ['Fotos (2019)/a.png', '{x}/b.png', 'k [1]/c.png', '!d/d.png', 'e+(f)/e.png'];
    await make(...names);
    const folders = names.map((name) => name.split('/')[0]);
    for (const [index, name] of folders.entries()) {
      expect((await found(`${name}/*.png`)).paths, name).toEqual([names[index]]);
      expect((await found(`${name}/?.{png,jpg}`)).paths, name).toEqual([names[index]]);
    }
    // Behind what is a pattern, parentheses and single braces are themselves still.
    expect(
      (await found('F*s (2019)/a.png', '*/{x}/*', '*(2019)/*', '?x}/*', '*+(f)/*')).paths,
    ).toEqual([names[0], names[1], names[4]]);
    expect((await found('**/*.png')).paths).toHaveLength(5);
  });

  it('match as shells do', async () => {
    await make('a1.png', 'a2.png', 'b1.jpg', 'A3.png', 'sub/a4.png', '.a5.png');
    const matching = async (pattern: string) => (await found(pattern)).paths;
    expect(await matching('a*.png')).toEqual(['a1.png', 'a2.png']);
    expect(await matching('[ab]1.*')).toEqual(['a1.png', 'b1.jpg']);
    expect(await matching('{a1.png,b1.jpg}')).toEqual(['a1.png', 'b1.jpg']);
    expect(await matching('a{1..2}.png')).toEqual(['a1.png', 'a2.png']);
    expect(await matching('{sub/a4,a1}.png')).toEqual(['a1.png', 'sub/a4.png']);
    expect(await matching('**/a*.png')).toEqual(['a1.png', 'a2.png', 'sub/a4.png']);
    expect(await found('a1.png', 'z*', 'a(1).pn?')).toMatchObject({ nothing: ['z*', 'a(1).pn?'] });
    // What is no glob is a name, there or not.
    expect((await found('gone (1).png', 'gone{1}.png')).paths).toEqual([
      'gone (1).png',
      'gone{1}.png',
    ]);
  });

  it.runIf(onLinux)('and folders know backslashes in names', async () => {
    const names = ['a\\b.png', 'x\\y/c.png', 'x\\y/d\\e.png'];
    await make(...names);
    expect(await found('.')).toMatchObject({
      paths: names,
      names: names.map((name) => name.replace('.png', '')),
    });
    expect((await found('x\\y')).paths).toEqual(names.slice(1));
    expect((await found('x\\y/*.png')).paths).toEqual(names.slice(1));
    expect((await found('*\\\\y/*')).paths).toEqual(names.slice(1));
    expect((await found('a\\b.png')).paths).toEqual(['a\\b.png']);
  });
});

describe.runIf(onLinux)('what can’t be read in a folder', () => {
  it('is reported', async () => {
    await make('a.png', 'locked/b.png');
    const locked = join(folder, 'locked');
    for (const above of [root, folder]) chmodSync(above, 0o755);
    chmodSync(locked, 0);
    const isRoot = process.geteuid?.() === 0;
    try {
      // Root may read everything.
      if (isRoot) process.seteuid?.(65534);
      const { images, problems } = await findImages([folder], async () => false);
      expect(images.map(({ path }) => path)).toEqual([join(folder, 'a.png')]);
      const reason = `${locked}: permission denied`;
      expect(problems.map(({ error }) => error.message)).toEqual([reason]);
      for (const input of [locked, join(locked, '*.png')])
        await expect(findImages([input], async () => false)).rejects.toThrow(reason);
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(locked, 0o755);
    }
  });

  it('fails in its turn if it is a link to nothing, like a missing file that is named', async () => {
    await make('a.png', 'sub/b.png');
    for (const name of ['gone.png', 'sub/gone.jpg', 'gone.txt'])
      symlinkSync('nowhere', join(folder, name));
    const all = ['a.png', 'gone.png', 'sub/b.png', 'sub/gone.jpg'];
    expect(await found('.')).toMatchObject({ paths: all, nothing: [] });
    expect((await found('**/*.{png,jpg}')).paths).toEqual(all);
  });
});

it('an empty name is refused: it is a variable that is not set', async () => {
  await make('a.png');
  await expect(findImages([join(folder, 'a.png'), ''], async () => false)).rejects.toMatchObject({
    code: 'argument',
    message: expect.stringMatching(/^an empty name was given/) as unknown,
  });
});

describe.runIf(onLinux)('names that are no UTF-8', () => {
  const names = ['caf\udce8.png', 'caf\udce9.png', 'f\udcfc/a.png'];

  it('are each their own, in folders and globs, for reading and for writing', async () => {
    await make(...names);
    expect(await found('.')).toMatchObject({
      paths: names,
      names: names.map((name) => name.replace('.png', '')),
    });
    expect((await found('caf*.png', 'f\udcfc/*')).paths).toEqual(names);
    for (const name of names)
      expect(Buffer.from(await readBytes(join(folder, name)))).toEqual(Buffer.from(name));
    const listed = execFileSync('ls', [], { cwd: folder, encoding: 'latin1' });
    expect(listed.trimEnd().split('\n').sort()).toEqual(['caf\xe8.png', 'caf\xe9.png', 'f\xfc']);
  });

  it('through a link to a folder', async () => {
    await make(...names);
    symlinkSync(onDisk(join(folder, 'f\udcfc')), onDisk(join(folder, 'l\udcfc')));
    expect((await found('l\udcfc', '.')).paths).toContain('l\udcfc/a.png');
  });
});

describe.runIf(onLinux)('endless input', () => {
  it('is refused by a limit on bytes', async () => {
    await expect(readBytes('/dev/zero')).rejects.toThrow(
      '/dev/zero: gives more than 512 MiB, the limit for a pipe or a device; give a file',
    );
  });

  it('does not include pipes, and files without a size', async () => {
    const pipe = join(folder, 'pipe.png');
    execFileSync('mkfifo', [pipe]);
    const bytes = readBytes(pipe);
    writeFileSync(pipe, 'piped');
    expect(Buffer.from(await bytes).toString()).toBe('piped');
    expect((await readBytes('/proc/self/status')).length).toBeGreaterThan(100);
    await make('empty');
    writeFileSync(join(folder, 'empty'), '');
    expect(await readBytes(join(folder, 'empty'))).toHaveLength(0);
  });
});

it('a file that many create at once is one of theirs, whole, and stays', async () => {
  const path = join(folder, 'run.json');
  const texts = Array.from({ length: 20 }, (_, index) => `${index}\n`.repeat(1000));
  const written = await Promise.all(texts.map((text) => createFile(path, text)));
  expect(written.filter(Boolean)).toHaveLength(1);
  expect(readFileSync(path, 'utf8')).toBe(texts[written.indexOf(true)]);
  expect(await createFile(path, 'late')).toBe(false);
  expect(readdirSync(folder)).toEqual(['run.json']);
  await expect(createFile(join(path, 'below'), '')).rejects.toThrow(
    `${path}/below: can't be written: a part of the path is a file, not a folder`,
  );
});

it('a folder appears with all its files, or not at all', async () => {
  const path = join(folder, 'results');
  await expect(
    createFolder(path, async (draft) => {
      await writeBytes(join(draft, 'a'), '1');
      throw new Error('full');
    }),
  ).rejects.toThrow('full');
  expect(readdirSync(folder)).toEqual([]);
  await createFolder(path, async (draft) => {
    await writeBytes(join(draft, 'a'), '1');
    expect(readdirSync(folder)).not.toContain('results');
  });
  expect(readdirSync(folder)).toEqual(['results']);
  for (const taken of [path, join(path, 'a')])
    await expect(createFolder(taken, async () => {})).rejects.toThrow(
      `${taken}: is there already; give the name of a new folder`,
    );
});

it('a folder can’t be made in a file, or in place of the current folder', async () => {
  await make('file');
  await expect(createFolder(join(folder, 'file', 'results'), async () => {})).rejects.toThrow(
    `${join(folder, 'file')}: can't be used as output folder: there is a file where a folder should be`,
  );
  await expect(createFolder('.', async () => {})).rejects.toThrow(
    '.: is the current folder; give the name of a new folder',
  );
});

it('drafts of processes that were killed are removed after an hour', async () => {
  await make('.panpp-old.draft', '.panpp-new.draft', 'old.draft', '.panpp-folder.draft/a');
  const old = new Date(Date.now() - 7_200_000);
  for (const name of ['.panpp-old.draft', 'old.draft', '.panpp-folder.draft'])
    utimesSync(join(folder, name), old, old);
  await removeOrphans(folder);
  expect(readdirSync(folder).sort()).toEqual(['.panpp-new.draft', 'old.draft']);
  await removeOrphans(join(folder, 'nowhere'));
});

it('a file to write is never an input file, under any name', async () => {
  await make('model.pth', 'other');
  const [model, other] = ['model.pth', 'other'].map((name) => join(folder, name));
  symlinkSync(model, join(folder, 'symbolic'));
  linkSync(model, join(folder, 'hard'));
  const refused = (name: string, ...inputs: (string | undefined)[]) =>
    expect(assertNoInput(join(folder, name), inputs)).rejects;
  await refused('model.pth', other, model).toThrow(
    `${model} is the file that is read; give another name to write to`,
  );
  for (const name of ['symbolic', 'hard', '../' + folder.split('/').at(-1) + '/./hard']) {
    await refused(name, model).toThrow(
      `is the same file as ${model}, which is read; give another name to write to`,
    );
  }
  for (const name of ['other', 'new', '.'])
    await assertNoInput(join(folder, name), [model, undefined, '-', join(folder, 'none')]);
});

describe('pictures of other kinds in a folder', () => {
  const none = async () => false;

  it('are counted', async () => {
    await make('a.jpg', 'b.HEIC', 'c.heic', 'below/d.tiff', 'e.pdf', 'notes.txt', 'f.svg');
    const { images, passedOver } = await findImages([folder], none);
    expect(images.map(({ resultName }) => resultName)).toEqual(['a']);
    expect(passedOver).toEqual([
      `${folder}: 4 pictures skipped (2 heic, 1 pdf, 1 tiff); only PNG, JPEG and WebP are read`,
    ]);
    expect((await findImages([join(folder, 'a.jpg')], none)).passedOver).toEqual([]);
  });

  it('are named if there are no others', async () => {
    await make('a.heic');
    await expect(findImages([folder], none)).rejects.toThrow(
      `${folder}: no PNG, JPEG or WebP files found; ${folder}: 1 picture skipped (1 heic); only PNG, JPEG and WebP are read`,
    );
  });
});
