// Paths of the project's files. The bench runs from bench/dist.
import { fileURLToPath } from 'node:url';

/** Path of a file of the project, from its root. */
export function projectFile(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}
