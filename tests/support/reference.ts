// Finds reference data. A clone alone has a selection of cases in tests/data (gzipped where a name
// ends in .gz); where the whole reference lies beside the project (../shared), all of its cases
// run.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

// Not relative to this file, which the bench bundles into another folder.
const project = dirname(createRequire(import.meta.url).resolve('panpp/package.json'));
const bundled = join(project, 'tests/data/');
const shared = join(project, '../shared/');

/** True where the whole reference lies beside the project. */
export const hasWholeReference = existsSync(`${shared}reference/README.md`);

/**
 * Path of a file or folder beside the project, such as `data/icdar2015`; only where
 * `hasWholeReference`.
 */
export function sharedPath(name: string): string {
  return shared + name;
}

/** Path of a file or folder in tests/data. */
export function bundledPath(name: string): string {
  return bundled + name;
}

/**
 * The bytes of a reference file, such as `resnet18_procedural.safetensors`: the whole file if
 * present, else the bundled selection.
 */
export function referenceBytes(name: string): Uint8Array {
  const whole = `${shared}reference/${name}`;
  if (existsSync(whole)) return readFileSync(whole);
  if (existsSync(`${bundled}${name}.gz`)) return gunzipSync(readFileSync(`${bundled}${name}.gz`));
  return readFileSync(bundled + name);
}
