// Dawn takes any word as a toggle and says nothing of one that it does not know. Its module for
// Node does not list its toggles either, so they are looked for in the module's file, where each
// name lies as a text with zeros around it: the list of the very version that runs.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { PanppError } from '../errors.js';

/** Folder of Dawn's module for this platform, from the package `webgpu`. */
export function dawnFolder(): string {
  const architecture = process.platform === 'darwin' ? 'universal' : process.arch;
  return join(
    dirname(createRequire(import.meta.url).resolve('webgpu')),
    'dist',
    `${process.platform}-${architecture}`,
  );
}

/** @throws PanppError `argument` that names those that Dawn does not have */
export async function checkToggles(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const dawn = await readFile(join(dawnFolder(), 'dawn.node'));
  // All toggles are of several words, and few other texts are.
  const unknown = names.filter(
    (name) => !/^[a-z0-9]+(_[a-z0-9]+)+$/.test(name) || !dawn.includes(`\0${name}\0`),
  );
  if (unknown.length === 0) return;
  const quoted = unknown.map((name) => `"${name}"`).join(', ');
  throw new PanppError(
    'argument',
    `Dawn has no toggle ${quoted}; names are spelt as in Dawn's src/dawn/native/Toggles.cpp, for example allow_unsafe_apis`,
  );
}
