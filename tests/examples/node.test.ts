// The examples for Node, as the README says to start them, on the built package.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { expectDetection } from './detect-over-http.js';
import { withoutNotices } from '../../src/cli/dawn-notices.js';

const run = promisify(execFile);
const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

/** A folder with a picture, one that is damaged, and another file; gone after the test. */
function folderWithDamage(): string {
  const folder = mkdtempSync(join(tmpdir(), 'panpp-example-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  copyFileSync(join(examples, 'street.jpg'), join(folder, 'street.jpg'));
  writeFileSync(join(folder, 'damaged.png'), 'no picture');
  writeFileSync(join(folder, 'notes.txt'), 'no picture either');
  return folder;
}

it('the folder example goes on after a damaged file', async () => {
  const program = join(examples, 'node', 'folder.mjs');
  const { stdout } = await run(process.execPath, [program, folderWithDamage(), '128']);
  expect(stdout).toMatch(/^damaged\.png: .+\nstreet\.jpg: [1-9]\d* regions\n$/);
});

it('the example with threads has its lines in order, and goes on after a damaged file', async () => {
  const folder = folderWithDamage();
  copyFileSync(join(examples, 'street.jpg'), join(folder, 'again.jpg'));
  const program = join(examples, 'node', 'pool.mjs');
  const { stdout, stderr } = await run(process.execPath, [program, folder, '2', '128']);
  const [again, damaged, street, ...rest] = stdout.split('\n');
  expect(again).toMatch(/^again\.jpg: [1-9]\d* regions$/);
  expect(damaged).toMatch(/damaged\.png: this is data in an unknown format/);
  expect(street).toBe(again.replace('again', 'street'));
  expect({ rest, stderr: withoutNotices(stderr) }).toEqual({ rest: [''], stderr: '' });
});

it('the HTTP server example finds text, and says what is no picture', async () => {
  const server = spawn(process.execPath, [join(examples, 'node', 'server.mjs'), '0']);
  onTestFinished(() => void server.kill());
  const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
  await expectDetection(line.trim());
});
