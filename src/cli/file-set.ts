// Ground truth and results for an evaluation: the files of a folder or of a zip archive.
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PanppError } from '../errors.js';
import { fileSetFromZip } from '../evaluation/formats/zip.js';
import type { FileSet } from '../evaluation/formats/files.js';
import type { Protocol } from '../evaluation/types.js';
import { onDisk } from '../node/paths.js';
import { fileError, namesIn, readBytes, statOf } from './files.js';
import { listed, say } from './report.js';

/**
 * Reads all files of a folder, or of a zip archive. Hidden files in folders are ignored, because
 * operating systems create them. ICDAR's scripts read archives, so names in those are kept as they
 * are; the other benchmarks' scripts read only folders, so their archives may contain folders.
 * @param protocol default: one of the latter
 * @throws PanppError `file` or `evaluation`
 */
export async function readFileSet(path: string, protocol?: Protocol): Promise<FileSet> {
  const info = await stat(onDisk(path)).catch((cause: unknown) => {
    throw fileError(path, '', cause);
  });
  if (info.isDirectory()) return readFolder(path);
  const files = fileSetFromZip(await readBytes(path), path);
  return protocol?.startsWith('icdar2015') ? files : withoutFolders(files, path);
}

async function readFolder(folder: string): Promise<FileSet> {
  const names = await namesIn(folder).catch((cause: unknown) => {
    throw fileError(folder, '', cause);
  });
  const files = new Map<string, Uint8Array>();
  const subfolders: string[] = [];
  for (const name of names.filter(isShown).sort()) {
    const path = join(folder, name);
    const info = await statOf(path);
    if (!info || info.isFile()) files.set(name, await readBytes(path));
    else if (info.isDirectory()) subfolders.push(name);
  }
  if (subfolders.length > 0)
    say(`panpp: ${folder}: files in subfolders are not read (${listed(subfolders)})`);
  if (files.size === 0) throw new PanppError('file', `${folder}: no files in this folder`);
  return files;
}

function withoutFolders(files: FileSet, archive: string): FileSet {
  const flat = new Map<string, Uint8Array>();
  for (const [path, bytes] of files) {
    const name = basename(path);
    if (path.endsWith('/') || path.startsWith('__MACOSX/') || !isShown(name)) continue;
    if (flat.has(name))
      throw new PanppError(
        'evaluation',
        `${archive}: two files are named ${name}, in different folders`,
      );
    flat.set(name, bytes);
  }
  return flat;
}

function isShown(name: string): boolean {
  return !name.startsWith('.');
}
