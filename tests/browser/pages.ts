// Pages in headless Chromium, WebGPU on SwiftShader, from the server of the demo page.
import type { Server } from 'node:http';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe } from 'vitest';
import { serve } from '../../examples/browser/serve.mjs';
import { findChromium, launch } from './chromium.js';

const found = await findChromium();
if (!found && process.env.CI)
  throw new Error('CI needs a Chromium; on Linux x64 npm ci brings one (@sparticuz/chromium)');
if (!found)
  console.log('not tested in a browser: no Chromium here; install it, or on Linux x64 run npm ci');

export const images = new URL('../data/images/', import.meta.url);

/** A page of the server's origin, with what goes wrong in it collected. */
export type NewPage = (
  path: string,
  options?: BrowserContextOptions,
) => Promise<{ page: Page; problems: string[] }>;

/** Tests that need a browser; skipped, with a word, where there is none. */
export function describeInChromium(title: string, tests: (newPage: NewPage) => void): void {
  describe.skipIf(!found)(title, () => {
    let server: Server;
    let address: string;
    let browser: Browser;
    beforeAll(async () => {
      ({ server, url: address } = await serve());
      browser = await launch(found!);
    });
    afterAll(async () => {
      await browser?.close();
      server?.close();
    });
    tests(async (path, options) => {
      const page = await browser.newPage(options);
      page.setDefaultTimeout(100_000); // a software GPU on a busy machine takes its time
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      await page.goto(new URL(path, address).href);
      return { page, problems };
    });
  });
}
