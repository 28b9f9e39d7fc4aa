// panpp merge: joins what the shards of a run have written.
import { basename, dirname, extname, resolve } from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import type { FileSet } from '../evaluation/formats/files.js';
import { resultFileName } from '../evaluation/results.js';
import { PROTOCOLS } from '../evaluation/types.js';
import {
  type FoundImages,
  assertNoInput,
  byName,
  fileError,
  findImages,
  shown,
  statOf,
  withoutEnding,
  writeBytes,
} from './files.js';
import { filesMatching, isGlob } from './globs.js';
import { writing } from './interrupt.js';
import { cocoTextOf, headerOf, isSameImage } from './merge/coco-text.js';
import {
  isSameFileContent,
  isSameStored,
  settingsOfAll,
  writeFiles,
  writeRun,
  zipOf,
} from './merge/folders.js';
import {
  type PartResult,
  type Roster,
  joined,
  rosterOfNames,
  rosterOfPaths,
} from './merge/join.js';
import { isSameLine, linesOf } from './merge/lines.js';
import { type Parts, readParts } from './merge/parts.js';
import { hashOf, hashOfFile, isRunsPicture } from './output-record.js';
import { exitCodes, listed, print, say } from './report.js';
import { asFileName, resultFiles } from './run-folder.js';
import { exiting, integerBetween } from './usage.js';

interface MergeFlags {
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly images?: readonly string[];
  readonly shards?: number;
}

export function addMerge(program: Command): void {
  program
    .command('merge')
    .summary('join the results of shards')
    .description(
      'Joins what the processes of a run with --shard have written, all of one kind: JSON lines of detect and spot, ' +
        'coco-text files, folders of eval --run, or folders and zip archives of result files. An image that is there ' +
        'twice with different results is an error, and nothing is written; two times the same is fine.',
    )
    .addArgument(new Argument('<parts...>', 'files, folders, globs'))
    .addOption(
      new Option(
        '--output <path>',
        'what to write: a file for JSON lines and coco-text (default: standard output); a folder, which must be new, for ' +
          'a run or result files, or NAME.zip for their result files (default: they are only checked)',
      ),
    )
    .addOption(new Option('--overwrite', 'replace the file --output'))
    .addOption(
      new Option(
        '--images <path>',
        'files, folders, globs of the run: an image without a result is an error, and results are in the run’s order; repeat ' +
          'the option for several (default: all that is there, in the order of names)',
      ).argParser((path, before: readonly string[] = []) => [...before, path]),
    )
    .addOption(
      new Option('--shards <n>', 'how many parts there must be').argParser(
        integerBetween(1, 1_000_000),
      ),
    )
    .action(exiting(merge));
}

async function merge(inputs: string[], flags: MergeFlags): Promise<number> {
  const { output, shards } = flags;
  if (flags.overwrite && output === undefined)
    throw new PanppError('argument', '--overwrite is for --output');
  const paths = await partsNamedBy(inputs);
  if (shards !== undefined && paths.length !== shards)
    throw new PanppError(
      'file',
      `--shards ${shards}, but there ${paths.length === 1 ? 'is 1 part' : `are ${paths.length} parts`}: ${listed(paths)}`,
    );
  if (output !== undefined) await assertNoInput(output, paths);
  const { results, write } = joinedOf(await readParts(paths), await imagesNamedBy(flags.images));
  if (results.length === 0) throw new PanppError('file', `no results in ${listed(paths)}`);
  const isWritten = await writing(() => write(flags));
  const failed = results.filter((result) => result.failed).map(({ image }) => image);
  const what = `${results.length} images of ${paths.length} ${paths.length === 1 ? 'part' : 'parts'}`;
  const where = output !== undefined && isWritten ? `wrote ${shown(output)}, ` : '';
  say(`panpp: ${where}${what}${failed.length > 0 ? `; failed: ${listed(failed)}` : ''}`);
  return failed.length === 0 ? exitCodes.done : exitCodes.someFailed;
}

/** Paths of parts, each once. @throws PanppError `file` for a glob that nothing matches */
async function partsNamedBy(inputs: readonly string[]): Promise<string[]> {
  const paths = new Set<string>();
  for (const input of inputs) {
    const isPattern = !(await statOf(input)) && isGlob(input);
    const { names, unread } = isPattern
      ? await filesMatching(input)
      : { names: [input], unread: [] };
    if (unread.length > 0) throw fileError(unread[0].folder, '', unread[0].cause);
    const found = [...names].sort(byName);
    if (found.length === 0) throw new PanppError('file', `${input}: no files found`);
    for (const path of found) paths.add(path);
  }
  return [...paths];
}

async function imagesNamedBy(inputs: readonly string[] = []): Promise<FoundImages | undefined> {
  return inputs.length === 0 ? undefined : findImages(inputs, isRunsPicture);
}

interface Joined {
  readonly results: readonly PartResult<unknown>[];
  /** Writes the results; returns whether there was anything to write. */
  readonly write: (flags: MergeFlags) => Promise<boolean>;
}

/** @throws PanppError `file` for results that don't fit together */
function joinedOf(all: Parts, images: FoundImages | undefined): Joined {
  switch (all.kind) {
    case 'JSON lines': {
      const results = joined(all.parts, isSameLine, images && rosterOfLines(images));
      return { results, write: async (flags) => writeFile(linesOf(results), flags) };
    }
    case 'coco-text': {
      const header = headerOf(all.parts);
      const results = joined(all.parts, isSameImage, images && rosterOfFileNames(images));
      return { results, write: async (flags) => writeFile(cocoTextOf(results, header), flags) };
    }
    case 'a run': {
      const settings = settingsOfAll(all.parts);
      const results = joined(
        all.parts,
        isSameStored,
        images && rosterOfResults(images, (name) => [name]),
      );
      const files = () =>
        resultFiles(settings.protocol, new Map(results.map(({ image, value }) => [image, value])));
      const toFolder = async (output: string) => writeRun(output, settings, results);
      return { results, write: async (flags) => writeFolder(files, toFolder, flags) };
    }
    case 'result files': {
      const results = joined(
        all.parts,
        isSameFileContent,
        images && rosterOfResults(images, resultFileNames),
      );
      const files: FileSet = new Map(results.map(({ image, value }) => [image, value]));
      const toFolder = async (output: string) => writeFiles(output, files);
      return { results, write: async (flags) => writeFolder(() => files, toFolder, flags) };
    }
  }
}

/** Paths in a coco-text file are relative to it. */
function rosterOfFileNames({ images }: FoundImages): Roster {
  const { names, placeOf } = rosterOfPaths(images);
  return { names, placeOf: (image, part) => placeOf(resolve(dirname(part), image), part) };
}

/** An input without images has a line too, before all images. */
function rosterOfLines({ images, problems }: FoundImages): Roster {
  return rosterOfPaths([...problems.map(({ input }) => ({ path: input, key: input })), ...images]);
}

function rosterOfResults(
  { images, problems }: FoundImages,
  spellingsOf: (name: string) => readonly string[],
): Roster {
  if (problems.length > 0) throw problems[0].error;
  return rosterOfNames(
    images.map(({ path }) => ({
      name: path,
      spellings: spellingsOf(basename(withoutEnding(path))),
    })),
  );
}

/** The names that protocols give the result file of an image. */
function resultFileNames(name: string): readonly string[] {
  return PROTOCOLS.map((protocol) => resultFileName(protocol, asFileName(name)));
}

async function writeFile(
  content: Uint8Array | string,
  { output, overwrite }: MergeFlags,
): Promise<boolean> {
  if (output === undefined) return print(content);
  const there = await hashOfFile(output);
  if (there !== undefined && there !== hashOf(content) && !overwrite)
    throw new PanppError('file', `${output}: is there already; --overwrite replaces it`);
  await writeBytes(output, content);
  return true;
}

async function writeFolder(
  files: () => FileSet,
  toFolder: (output: string) => Promise<void>,
  flags: MergeFlags,
): Promise<boolean> {
  const { output } = flags;
  if (output === undefined) return false;
  if (extname(output).toLowerCase() === '.zip') return writeFile(zipOf(files()), flags);
  await toFolder(output);
  return true;
}
