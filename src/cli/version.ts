import { readFileSync } from 'node:fs';

import { resolvePackage } from '../node/packages.js';

/** This package's version. */
export function packageVersion(): string {
  const path = resolvePackage('panpp/package.json', 'file');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
