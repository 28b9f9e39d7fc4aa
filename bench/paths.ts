// Paths of the project's files. The bench runs from bench/dist.
import { fileURLToPath } from 'node:url';

/** Path of a project file, given relative to the project's root. */
export function projectFile(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}
