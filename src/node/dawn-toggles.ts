// Dawn accepts any word as a toggle and silently ignores unknown ones. Its Node module does not
// list its toggles either, so names are searched for in the module's binary, where each is a
// zero-terminated string. This matches exactly the version that runs.
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { PanppError } from '../errors.js';
import { resolvePackage } from './packages.js';

/** Folder of Dawn's module for this platform, from the package `webgpu`. */
export function dawnFolder(): string {
  const architecture = process.platform === 'darwin' ? 'universal' : process.arch;
  return join(
    dirname(resolvePackage('webgpu', 'adapter')),
    'dist',
    `${process.platform}-${architecture}`,
  );
}

/** @throws PanppError `argument` that names the toggles that Dawn does not have */
export async function checkToggles(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const dawn = await readFile(join(dawnFolder(), 'dawn.node'));
  // All toggles have several words joined by underscores; few other strings in the binary do.
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
