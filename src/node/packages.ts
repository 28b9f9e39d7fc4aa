// Finds packages beside this one. A bundler that puts panpp into the program's own file breaks this.
import { createRequire } from 'node:module';

import { type ErrorCode, PanppError } from '../errors.js';

/** What to do if panpp is part of a bundle. */
export const KEEP_EXTERNAL =
  'if a bundler made this program, keep panpp and webgpu external (esbuild: --external:panpp ' +
  "--external:webgpu; Next.js: serverExternalPackages: ['panpp', 'webgpu'])";

/**
 * Path of a module or file of an installed package, searched for from this module.
 * @throws PanppError with the given code if it is not installed, or out of reach in a bundle
 */
export function resolvePackage(specifier: string, code: ErrorCode): string {
  try {
    return createRequire(import.meta.url).resolve(specifier);
  } catch (cause) {
    throw new PanppError(code, `${specifier} is not there; ${KEEP_EXTERNAL}`, { cause });
  }
}
