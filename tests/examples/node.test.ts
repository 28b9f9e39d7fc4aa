// The examples for Node, as the README says to start them, on the built package.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

it('the folder example goes on after a damaged file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'panpp-example-'));
  copyFileSync(join(examples, 'street.jpg'), join(folder, 'street.jpg'));
  writeFileSync(join(folder, 'damaged.png'), 'no picture');
  writeFileSync(join(folder, 'notes.txt'), 'no picture either');
  const program = join(examples, 'node', 'folder.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [program, folder, '128']);
  rmSync(folder, { recursive: true });
  expect(stdout).toMatch(/^damaged\.png: .+\nstreet\.jpg: [1-9]\d* regions\n$/);
});
