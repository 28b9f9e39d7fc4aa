// A headless Chromium with WebGPU on its own SwiftShader: the one of the npm package
// @sparticuz/chromium, else an installed one.
import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliDecompress, createBrotliDecompress } from 'node:zlib';
import { parseTar } from 'nanotar';
import { type Browser, chromium } from 'playwright-core';
import { findEmbeddedPackage } from '../../src/node/embedded-driver.js';

interface Installation {
  readonly executablePath: string;
  /** Where fonts and libraries come from if the machine lacks them. */
  readonly env: Record<string, string>;
}

const installed = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const cache = fileURLToPath(new URL('../../node_modules/.cache/panpp-tests/', import.meta.url));

/** Undefined where there is no Chromium. */
export async function findChromium(): Promise<Installation | undefined> {
  const found =
    process.platform === 'linux' && process.arch === 'x64' ? findEmbeddedPackage() : undefined;
  if (found) return packaged(dirname(found.archive), found.version);
  const executablePath = installed.find(existsSync);
  return executablePath ? { executablePath, env: {} } : undefined;
}

export function launch({ executablePath, env }: Installation): Promise<Browser> {
  const args = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
  // A camera that shows a test picture, and no question about it.
  args.push('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream');
  return chromium.launch({
    executablePath,
    args,
    env: { ...process.env, ...env },
  });
}

async function packaged(bin: string, version: string): Promise<Installation> {
  const folder = join(cache, `chromium-${version}`);
  if (!existsSync(folder)) await unpack(bin, folder);
  const executablePath = join(folder, 'chromium');
  const env: Record<string, string> = {};
  if (!existsSync('/etc/fonts/fonts.conf')) env.FONTCONFIG_PATH = join(folder, 'fonts');
  if (/not found/.test(execFileSync('ldd', [executablePath], { encoding: 'utf8' })))
    env.LD_LIBRARY_PATH = join(folder, 'lib');
  return { executablePath, env };
}

/** Under another name first, so that the folder is either whole or not there. */
async function unpack(bin: string, folder: string): Promise<void> {
  const draft = `${folder}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  try {
    await pipeline(
      createReadStream(join(bin, 'chromium.br')),
      createBrotliDecompress({ chunkSize: 2 ** 21 }),
      createWriteStream(join(draft, 'chromium'), { mode: 0o755 }),
    );
    await unpackTar(join(bin, 'swiftshader.tar.br'), draft);
    await unpackTar(join(bin, 'al2023.tar.br'), draft);
    await unpackTar(join(bin, 'fonts.tar.br'), join(draft, 'fonts'));
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function unpackTar(archive: string, folder: string): Promise<void> {
  for (const { name, data } of parseTar(
    await promisify(brotliDecompress)(await readFile(archive)),
  )) {
    if (!data?.length) continue;
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), data);
  }
}
