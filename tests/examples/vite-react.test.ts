// The example with Vite and React: built as a user would, then used in Chromium.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, preview } from 'vite';
import { afterAll, expect, it } from 'vitest';
import { findChromium, launch } from '../browser/chromium.js';

const root = fileURLToPath(new URL('../../examples/vite-react/', import.meta.url));
const outDir = mkdtempSync(join(tmpdir(), 'panpp-vite-'));
const found = await findChromium();
if (!found) console.log('not tested with Vite: no Chromium here');

afterAll(() => rmSync(outDir, { recursive: true }));

it.skipIf(!found)('the example with Vite and React reads text', async () => {
  const settings = { root, logLevel: 'error', build: { outDir, emptyOutDir: true } } as const;
  await build(settings);
  const server = await preview({ ...settings, preview: { port: 0, host: '127.0.0.1' } });
  const browser = await launch(found!);
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(100_000);
    await page.goto(server.resolvedUrls!.local[0]);
    await page.setInputFiles('input', fileURLToPath(new URL('../street.jpg', `file://${root}`)));
    const text = page.getByRole('status').filter({ hasNotText: /Choose|Looking/ });
    expect(await text.textContent()).toMatch(/^[1-9]\d* text regions$/);
    expect(await page.locator('li').allTextContents()).toContain('FRESH');
  } finally {
    await browser.close();
    await server.close();
  }
});
