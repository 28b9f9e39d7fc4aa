// The example for Next.js: installed, built and started as a user would. Next.js and its compiler
// take 340 MB, so they are no part of this project and come from the registry here.
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { it, onTestFinished } from 'vitest';
import { expectDetection } from './detect-over-http.js';

const isAsked = process.env.PANPP_TEST_NEXT === '1';
if (!isAsked) console.log('not tested with Next.js: set PANPP_TEST_NEXT=1 to install and try it');

const root = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

it.skipIf(!isAsked)('the example with Next.js finds text', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'panpp-next-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, 'examples/nextjs'), folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };
  const options = { cwd: folder, env, shell: process.platform === 'win32' };
  await run('npm', ['install', '--no-audit', '--no-fund', 'next', 'react', 'react-dom'], options);
  // As npm would install them; Next.js brings sharp.
  for (const part of ['dist', 'weights', 'package.json'])
    cpSync(join(root, part), join(folder, 'node_modules/panpp', part), { recursive: true });
  for (const name of ['webgpu', '@sparticuz/chromium'])
    cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), {
      recursive: true,
    });
  const next = join(folder, 'node_modules/next/dist/bin/next');
  await run(process.execPath, [next, 'build'], options);

  const server = spawn(process.execPath, [next, 'start', '--port', '0'], options);
  onTestFinished(() => void server.kill());
  let said = '';
  let url: string | undefined;
  for await (const text of server.stdout.setEncoding('utf8')) {
    said += text as string;
    url = /Local:\s+(http:\S+)/.exec(said)?.[1];
    if (url !== undefined && /Ready/.test(said)) break;
  }
  await expectDetection(url!);
});
