import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** This package's version. */
export function packageVersion(): string {
  const path = createRequire(import.meta.url).resolve('panpp/package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
