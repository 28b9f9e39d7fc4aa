// Where workers put their results: a folder, or a bucket. A result is written once; its name says
// which content, weights and settings it is of.
import { join } from 'node:path';
import { PanppError } from '../../errors.js';
import { createFile, openOutputFolder, removeOrphans, statOf } from '../files.js';
import { isPath } from './addresses.js';
import { openBucket } from './s3.js';

export interface ResultStore {
  has(name: string): Promise<boolean>;
  /** Writes a result whole unless it is there; false if it is. */
  create(name: string, text: string): Promise<boolean>;
}

/**
 * Opens a folder, which is made if needed, or a bucket (s3://BUCKET or s3://BUCKET/FOLDER).
 * @throws PanppError `file` or `argument`
 */
export async function openResults(output: string): Promise<ResultStore> {
  if (isPath(output)) return openFolder(output);
  const [, name, folder = ''] = /^s3:\/\/([^/]+)(?:\/(.*?))?\/?$/s.exec(output) ?? [];
  if (!name)
    throw new PanppError('argument', `--output ${output}: give a folder or s3://BUCKET/FOLDER`);
  const bucket = openBucket(name);
  const keyOf = (result: string) => (folder ? `${folder}/${result}` : result);
  return {
    has: (result) => bucket.has(keyOf(result)),
    create: (result, text) => bucket.create(keyOf(result), text, 'application/json'),
  };
}

async function openFolder(path: string): Promise<ResultStore> {
  await openOutputFolder(path);
  await removeOrphans(path);
  return {
    has: async (name) => (await statOf(join(path, name))) !== undefined,
    create: (name, text) => createFile(join(path, name), text),
  };
}
