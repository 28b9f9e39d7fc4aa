// The examples for Node, as the README says to start them, on the built package.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

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

it('the HTTP server example finds text, and says what is no picture', async () => {
  const server = spawn(process.execPath, [join(examples, 'node', 'server.mjs'), '0']);
  onTestFinished(() => void server.kill());
  const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
  const post = (body: Uint8Array<ArrayBuffer>) =>
    fetch(`${line.trim()}/detect?shortSide=128`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body,
    });
  const found = await post(new Uint8Array(readFileSync(join(examples, 'street.jpg'))));
  const { regions } = (await found.json()) as { regions: unknown[] };
  expect(regions.length).toBeGreaterThan(0);
  const refused = await post(new TextEncoder().encode('no picture'));
  expect(refused.status).toBe(400);
  expect(await refused.json()).toEqual({
    error: expect.stringMatching(/unknown format/) as string,
  });
});
